//! The attempts of a webhook delivery, as every backend keeps them: a JSON array in one column, oldest
//! first. They are read with their delivery and never searched for, so they need no rows of their own.

use rollcall_domain::delivery::Attempt;

use crate::field::{Field, FieldError, Read};
use crate::json;
use crate::time;

/// The text that is kept of `attempts`.
pub fn write(attempts: &[Attempt]) -> String {
    let mut out = String::with_capacity(2 + attempts.len() * 96);
    out.push('[');
    for (number, attempt) in attempts.iter().enumerate() {
        out.push_str(if number == 0 {
            r#"{"at":""#
        } else {
            r#",{"at":""#
        });
        time::write(&mut out, attempt.at);
        out.push_str(&format!(r#"","latency_ms":{}"#, attempt.latency_ms));
        if let Some(status) = attempt.status_code {
            out.push_str(&format!(r#","status_code":{status}"#));
        }
        if let Some(error) = &attempt.error {
            out.push_str(r#","error":"#);
            json::write_string(&mut out, error);
        }
        if let Some(answer) = &attempt.answer {
            out.push_str(r#","answer":"#);
            json::write_string(&mut out, answer);
        }
        out.push('}');
    }
    out.push(']');
    out
}

/// What [`write`](fn@write) was called with.
pub fn read(text: &str) -> Read<Vec<Attempt>> {
    let value = json::parse(text.as_bytes()).map_err(|error| FieldError::new("attempts", error))?;
    let field = Field {
        path: "attempts".into(),
        value,
    };
    field.array()?.into_iter().map(attempt).collect()
}

fn attempt(field: Field) -> Read<Attempt> {
    let mut fields = field.object()?;
    let at = fields.required("at")?.timestamp()?;
    let latency_ms = fields.required("latency_ms")?.integer(0..=u64::MAX)?;
    let status = fields.take("status_code");
    let status = status.map(|field| field.integer(0..=u64::from(u16::MAX)));
    let error = fields.take("error").map(Field::string).transpose()?;
    let answer = fields.take("answer").map(Field::string).transpose()?;
    Ok(Attempt {
        at,
        status_code: status
            .transpose()?
            .and_then(|status| u16::try_from(status).ok()),
        latency_ms,
        error: error.map(|(_, text)| text),
        answer: answer.map(|(_, text)| text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let at = time::parse("2026-03-15T10:00:00.25Z").unwrap();
        let attempts = [
            Attempt::unknown(at),
            Attempt {
                at,
                status_code: Some(503),
                latency_ms: 17,
                error: None,
                answer: Some("locked\n\u{fffd}".into()),
            },
            Attempt {
                at,
                status_code: None,
                latency_ms: 10_000,
                error: Some("tls: \"unknown issuer\"".into()),
                answer: None,
            },
        ];
        for length in 0..=3 {
            let text = write(&attempts[..length]);
            assert_eq!(read(&text).unwrap(), attempts[..length], "{text}");
        }
        assert_eq!(write(&[]), "[]");
    }

    #[test]
    fn a_damaged_text_is_an_error() {
        for text in ["", "{}", "[1]", r#"[{"at":"yesterday","latency_ms":1}]"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
