//! One row's object to a body, with everything that can be wrong about it.

use countersign_record::{Body, Hold, Incident, IncidentStage};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::{
    batch::{Problem, Received},
    kind::Kind,
};

/// How far ahead another system's clock may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// The bodies that one row stands for: its own, and for an incident without a hold that hold.
pub(crate) fn bodies(kind: Kind, object: Value, received: &Received) -> Result<Vec<Body>, Problem> {
    let Value::Object(mut members) = object else {
        return Err(Problem::Shape("a JSON object is wanted".to_owned()));
    };
    if members.contains_key("type") {
        return Err(Problem::Unknown("type".to_owned()));
    }
    members.retain(|_, value| !value.is_null());
    normalise_times(&mut members, received)?;
    if kind == Kind::Outcome && !members.contains_key("late") {
        members.insert("late".to_owned(), is_late(&members, received).into());
    }
    members.insert("type".to_owned(), kind.name().into());
    let given = Value::Object(members);
    let body: Body = serde_json::from_value(given.clone()).map_err(|e| shape(&e))?;
    let written = serde_json::to_value(&body).map_err(|e| shape(&e))?;
    if let Some(lost) = lost(&given, &written, "") {
        return Err(Problem::Unknown(lost));
    }
    body.validate()?;
    with_hold(body)
}

/// What is wrong with a row's shape, without what stands in the row.
pub(crate) fn shape(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let Some((found, expected)) = text.split_once(", expected ") else {
        return Problem::Shape(text);
    };
    let kind = found.split(['`', '"']).next().unwrap_or_default();
    Problem::Shape(format!("{}, expected {expected}", kind.trim_end()))
}

/// Instants with any offset become UTC, and none lies ahead of the time of receipt.
fn normalise_times(members: &mut Map<String, Value>, received: &Received) -> Result<(), Problem> {
    for (name, value) in members {
        let happened = name.ends_with("_at");
        if !happened && name != "from" && name != "to" {
            continue;
        }
        let at = value
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok());
        let at = at.ok_or_else(|| Problem::Time(name.clone()))?;
        let latest = received.at.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        if happened && at > latest {
            return Err(Problem::Future(name.clone()));
        }
        *value = at.to_string().into();
    }
    Ok(())
}

fn is_late(members: &Map<String, Value>, received: &Received) -> bool {
    let decided = members.get("decided_at").and_then(Value::as_str);
    let decided = decided.and_then(|text| text.parse::<Timestamp>().ok());
    let late = SignedDuration::from_hours(i64::from(received.late_after_days) * 24);
    decided.is_some_and(|decided| received.at.duration_since(decided) > late)
}

/// The first member of `given` that did not come through: a name that no record has.
fn lost(given: &Value, written: &Value, place: &str) -> Option<String> {
    match (given, written) {
        (Value::Object(given), Value::Object(written)) => given.iter().find_map(|(name, value)| {
            let place = format!("{place}{name}");
            if let Some(kept) = written.get(name) {
                return lost(value, kept, &format!("{place}."));
            }
            // An empty list or map is not written.
            let empty = value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(Map::is_empty);
            (!empty && !value.is_null()).then_some(place)
        }),
        (Value::Array(given), Value::Array(written)) => {
            let mut pairs = given.iter().zip(written);
            pairs.find_map(|(given, written)| lost(given, written, place))
        }
        _ => None,
    }
}

/// An incident that opens without a hold gets one over its exchanges.
fn with_hold(body: Body) -> Result<Vec<Body>, Problem> {
    let Body::Incident(incident) = body else {
        return Ok(vec![body]);
    };
    if incident.stage != IncidentStage::Opened || incident.hold.is_some() {
        return Ok(vec![Body::Incident(incident)]);
    }
    let id = format!("incident-{}", incident.incident);
    let hold = Body::Hold(Hold {
        hold: id.clone(),
        cause: "incident".to_owned(),
        matter: incident.incident.clone(),
        exchanges: incident.exchanges.clone(),
        from: None,
        to: None,
        actor: "intake".to_owned(),
    });
    hold.validate()?;
    let incident = Body::Incident(Incident {
        hold: Some(id),
        ..incident
    });
    // The hold first: a crash between the two leaves records held, not an incident without a hold.
    Ok(vec![hold, incident])
}
