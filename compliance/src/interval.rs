//! A share with its uncertainty. One small function, so that a crate of measures can take its
//! place.

/// The Wilson score interval (95 %) of `part` in `whole`, in words; `None` when `whole` is 0.
/// Division and square root are exact to the last bit everywhere, so the words are the same on
/// every machine.
pub(crate) fn wilson(part: u64, whole: u64) -> Option<(String, String)> {
    const Z: f64 = 1.959_963_984_540_054;
    if whole == 0 || part > whole {
        return None;
    }
    let (n, rate) = (whole as f64, part as f64 / whole as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (rate + Z * Z / (2.0 * n)) / scale;
    let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    let low = if part == 0 { 0.0 } else { middle - half };
    let high = if part == whole { 1.0 } else { middle + half };
    let interval = format!("{} to {}", percent(low), percent(high));
    Some((percent(rate), interval))
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_statsmodels() {
        // proportion_confint(555, 1181, method="wilson") = 0.441619480, 0.498456891
        let expected = ("46.99 %".to_owned(), "44.16 % to 49.85 %".to_owned());
        assert_eq!(wilson(555, 1181), Some(expected));
        // proportion_confint(0, 10, method="wilson") = 0, 0.277532799
        let expected = ("0.00 %".to_owned(), "0.00 % to 27.75 %".to_owned());
        assert_eq!(wilson(0, 10), Some(expected));
    }

    #[test]
    fn nothing_out_of_nothing_has_no_share() {
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(2, 1), None);
        assert_eq!(
            wilson(1, 1).map(|(share, _)| share),
            Some("100.00 %".to_owned())
        );
    }
}
