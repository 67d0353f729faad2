//! From a file to its trace events.

use serde_json::{Map, Value};

/// What a file has.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) events: Vec<Event>,
    /// How many lines were left out because they are cut short.
    pub(super) skipped: usize,
}

/// A trace event, as far as it is of use here.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) category: String,
    pub(super) phase: String,
    /// Microseconds.
    pub(super) time: f64,
    pub(super) length: f64,
    pub(super) process: String,
    pub(super) thread: String,
    pub(super) args: Map<String, Value>,
}

/// Returns the events of a trace: of an array, which need not be closed, or of an object that has one.
///
/// # Errors
///
/// Why it is no trace, with the line.
pub(super) fn parse(text: &str) -> Result<Trace, String> {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let trace = match serde_json::from_str(text) {
        Ok(Value::Array(events)) => all(events)?,
        Ok(Value::Object(mut object)) => match object.remove("traceEvents") {
            Some(Value::Array(events)) => all(events)?,
            _ => return Err("the object has no list `traceEvents`".to_owned()),
        },
        Ok(_) => return Err("line 1 is no list of trace events".to_owned()),
        Err(error) => match closed(text) {
            Some(events) => all(events)?,
            None if text.trim_start().starts_with('[') => lines(text)?,
            None => return Err(at_line(error.line(), &error)),
        },
    };
    let has_bars = |event: &Event| ["X", "B"].contains(&event.phase.as_str());
    if trace.events.iter().any(has_bars) {
        Ok(trace)
    } else {
        Err("it has no events with a duration: no test has begun".to_owned())
    }
}

fn all(events: Vec<Value>) -> Result<Trace, String> {
    let events = events.into_iter().enumerate().map(|(index, value)| {
        event(value).ok_or_else(|| format!("entry {} of the list is no trace event", index + 1))
    });
    Ok(Trace {
        events: events.collect::<Result<_, _>>()?,
        skipped: 0,
    })
}

/// Returns the events of an array that lacks its closing bracket only.
fn closed(text: &str) -> Option<Vec<Value>> {
    let events = text.strip_suffix(',').unwrap_or(text);
    serde_json::from_str(&format!("{events}]")).ok()
}

/// Reads an array with an event in each line: a process may have been killed while it wrote one.
fn lines(text: &str) -> Result<Trace, String> {
    let mut trace = Trace::default();
    let mut first = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim().trim_start_matches('[').trim_end_matches(',');
        if line.is_empty() || line == "]" {
            continue;
        }
        match serde_json::from_str(line).map(event) {
            Ok(Some(event)) => trace.events.push(event),
            Ok(None) => return Err(format!("line {} is no trace event", index + 1)),
            Err(error) => {
                trace.skipped += 1;
                first.get_or_insert_with(|| at_line(index + 1, &error));
            }
        }
    }
    // A file of something else has more lines that cannot be read than others.
    match first {
        Some(first) if trace.skipped > trace.events.len() => Err(first),
        _ => Ok(trace),
    }
}

/// Returns what is wrong in a line, without the position that the error ends with.
fn at_line(line: usize, error: &serde_json::Error) -> String {
    let error = error.to_string();
    let words = error.split(" at line ").next().unwrap_or(&error);
    format!("line {line}: {words}")
}

fn event(value: Value) -> Option<Event> {
    let Value::Object(mut event) = value else {
        return None;
    };
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let number = |value: Option<Value>| value.and_then(|value| value.as_f64());
    let phase = text(event.remove("ph"));
    let time = number(event.remove("ts"));
    // Metadata of others has no time.
    if phase.is_empty() || (time.is_none() && phase != "M") {
        return None;
    }
    Some(Event {
        name: text(event.remove("name")),
        category: text(event.remove("cat")),
        phase,
        time: time.unwrap_or_default(),
        length: number(event.remove("dur")).unwrap_or_default(),
        process: text(event.remove("pid")),
        thread: text(event.remove("tid")),
        args: match event.remove("args") {
            Some(Value::Object(args)) => args,
            _ => Map::new(),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"name":"body","ph":"X","ts":7,"dur":2.5,"pid":1,"tid":2},"#;

    fn names(text: &str) -> Vec<String> {
        let trace = parse(text).unwrap();
        trace.events.into_iter().map(|event| event.name).collect()
    }

    #[test]
    fn a_list_may_lack_its_bracket() {
        let one = EVENT.trim_end_matches(',');
        for text in [
            format!("[\n{EVENT}\n{EVENT}\n"),
            format!("[\n{EVENT}\n{one}\n]\n"),
            format!("[{EVENT}{one}"),
            format!("{{\"traceEvents\":[{EVENT}{one}],\"displayTimeUnit\":\"ms\"}}"),
        ] {
            assert_eq!(names(&text), ["body", "body"], "{text}");
        }
    }

    #[test]
    fn lines_that_are_cut_short_are_left_out() {
        let text = format!("[\n{EVENT}\n{{\"name\":\"cl\n{EVENT}\n{{\"na");
        let trace = parse(&text).unwrap();
        assert_eq!((trace.events.len(), trace.skipped), (2, 2));
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused(" \n"), "it is empty");
        assert_eq!(refused("7"), "line 1 is no list of trace events");
        assert_eq!(refused("{}"), "the object has no list `traceEvents`");
        assert_eq!(refused("[1]"), "entry 1 of the list is no trace event");
        assert_eq!(
            refused("[\n{\"ph\":\"M\"},\n"),
            "it has no events with a duration: no test has begun"
        );
        assert_eq!(refused("\n# Shop\n"), "line 2: expected value");
        assert_eq!(refused("[shop]\nname = 1\n"), "line 1: expected value");
    }
}
