//! Redis command files: one command a line, as in redis-cli.

use std::path::Path;

use redis::{Client, ConnectionInfo, RedisError};

use super::lease::{connect_again, connection_settings};
use crate::{Error, Result};

/// Runs the commands of a file in order; stops at the first that fails.
pub(crate) async fn apply(path: &Path, connection: &ConnectionInfo) -> Result<()> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(format!("apply the seed {}", path.display())).because(error)
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.into()))?;
    // Some editors begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let client = Client::open(connection.clone()).map_err(|error| failed(error.into()))?;
    let settings = connection_settings();
    let connect = || client.get_multiplexed_async_connection_with_config(&settings);
    let mut connection = connect_again(RedisError::is_timeout, connect)
        .await
        .map_err(|error| failed(error.into()))?;
    for (number, line) in (1..).zip(text.lines()) {
        let at_line = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(format!("apply the seed {}, line {number}", path.display()))
                .because(cause)
                .note(format!("the command is: {}", line.trim()))
                .with_help("write one command a line, as in redis-cli; `#` begins a comment line")
        };
        let arguments = arguments(line).map_err(|cause| at_line(cause.into()))?;
        let Some((name, rest)) = arguments.split_first() else {
            continue;
        };
        let mut command = redis::Cmd::new();
        command.arg(name).arg(rest);
        command
            .query_async::<()>(&mut connection)
            .await
            .map_err(|error| at_line(error.into()))?;
    }
    Ok(())
}

/// The arguments of one line, quoted as in redis-cli; none for a comment or an empty line.
fn arguments(line: &str) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut arguments = Vec::new();
    let mut rest = line.trim();
    if rest.starts_with('#') {
        return Ok(arguments);
    }
    while !rest.is_empty() {
        let (argument, after) = match rest.as_bytes()[0] {
            b'"' => double_quoted(&rest[1..])?,
            b'\'' => single_quoted(&rest[1..])?,
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest.as_bytes()[..end].to_vec(), &rest[end..])
            }
        };
        if after
            .chars()
            .next()
            .is_some_and(|next| !next.is_whitespace())
        {
            return Err("a closing quote must be followed by a space");
        }
        arguments.push(argument);
        rest = after.trim_start();
    }
    Ok(arguments)
}

/// Up to the closing double quote, with `\n`, `\r`, `\t`, `\b`, `\a` and `\xHH` replaced.
fn double_quoted(text: &str) -> Result<(Vec<u8>, &str), &'static str> {
    let bytes = text.as_bytes();
    let (mut argument, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => return Ok((argument, &text[at..])),
            b'\\' => {
                let escaped = *bytes.get(at).ok_or("a quote is not closed")?;
                at += 1;
                let hexadecimal = || u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
                argument.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    b'x' if let Some(byte) = hexadecimal() => {
                        at += 2;
                        byte
                    }
                    other => other,
                });
            }
            other => argument.push(other),
        }
    }
    Err("a quote is not closed")
}

/// Up to the closing single quote, with `\'` replaced.
fn single_quoted(text: &str) -> Result<(Vec<u8>, &str), &'static str> {
    let bytes = text.as_bytes();
    let (mut argument, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\'', _) => return Ok((argument, &text[at + 1..])),
            (b'\\', Some(b'\'')) => {
                argument.push(b'\'');
                at += 2;
            }
            _ => {
                argument.push(byte);
                at += 1;
            }
        }
    }
    Err("a quote is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<Vec<String>, &'static str> {
        Ok(arguments(line)?
            .into_iter()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect())
    }

    #[test]
    fn arguments_are_quoted_as_in_redis_cli() {
        assert_eq!(split("SET key value").unwrap(), ["SET", "key", "value"]);
        assert_eq!(
            split(r#"SET "a b" 'it\'s'"#).unwrap(),
            ["SET", "a b", "it's"]
        );
        assert_eq!(split(r#"SET k "\x41\n\"""#).unwrap(), ["SET", "k", "A\n\""]);
        assert_eq!(split(r#"SET k """#).unwrap(), ["SET", "k", ""]);
    }

    #[test]
    fn comments_and_empty_lines_hold_no_command() {
        assert!(split("# SET a b").unwrap().is_empty());
        assert!(split("   ").unwrap().is_empty());
    }

    #[test]
    fn bad_quotes_are_refused() {
        assert!(split(r#"SET "a"#).is_err());
        assert!(split(r#"SET "a"b"#).is_err());
        assert!(split("SET 'a").is_err());
    }
}
