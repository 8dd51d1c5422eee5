use super::{Norm, exp, gelu, normalise, sum};

/// The error function by its series, in f64.
fn erf(x: f64) -> f64 {
    let (mut term, mut total) = (x, x);
    for n in 1..200 {
        let n = f64::from(n);
        term *= -x * x / n;
        total += term / (2.0 * n + 1.0);
    }
    total * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn gelu_is_exact_to_the_sixth_decimal() {
    for step in -600_i16..=600 {
        let point = f32::from(step) / 100.0;
        let x = f64::from(point);
        let exact = 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2));
        let ours = f64::from(gelu(point));
        assert!(
            (ours - exact).abs() < 1e-6,
            "gelu({x}) is {ours}, not {exact}"
        );
    }
    assert!((gelu(30.0) - 30.0).abs() < 1e-5);
    assert!(gelu(-30.0).abs() < 1e-5);
}

#[test]
fn the_exponential_is_exact_to_the_sixth_digit() {
    for step in 0_u16..=8600 {
        let x = -f32::from(step) / 100.0;
        let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
        assert!(
            (ours / exact - 1.0).abs() < 1e-6,
            "exp({x}) is {ours}, not {exact}"
        );
    }
    assert!(exp(-1e9) < 1e-37);
}

#[test]
fn sums_take_every_element() {
    let row: Vec<f32> = (1_u8..=37).map(f32::from).collect();
    assert!((sum(&row, |x| x) - 703.0).abs() < 1e-3);
}

#[test]
fn a_normalised_row_has_mean_zero_and_variance_one() {
    let mut row: Vec<f32> = (0_u16..48).map(|n| f32::from(n * n)).collect();
    let norm = Norm {
        gain: vec![1.0; 48],
        offset: vec![0.0; 48],
        epsilon: 1e-12,
    };
    normalise(&mut row, &norm);
    assert!(sum(&row, |x| x).abs() < 1e-3);
    assert!((sum(&row, |x| x * x) / 48.0 - 1.0).abs() < 1e-3);
}
