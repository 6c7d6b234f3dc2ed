//! The bodies of the inference stub of `rollcall dev` (contract `gateway.md`): as much of the Messages API as an
//! official SDK needs to believe that it was answered.
//!
//! Other members of a body are taken and ignored, unlike everywhere else: they are the model's business, and
//! there is no model.

use rollcall_domain::billing::BillTo;
use rollcall_record::field::{Field, Fields, Read};
use rollcall_record::json::Json;

use crate::error::ApiError;
use crate::headers;
use crate::object::{self, ObjectWriter};
use crate::parts::body_fields;

/// The beta without which a body must not say who pays.
pub const BILLING_BETA: &str = "user-profiles-billing-2026-10-01";

/// What a request for inference says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferenceRequest {
    /// The model, as it was sent.
    pub model: String,
    /// Whether the answer is to be a stream of events.
    pub stream: bool,
    /// The profile's id in the body, as it was sent.
    pub user_profile_id: Option<String>,
    /// Who pays, if it is said.
    pub bill_to: Option<BillTo>,
    /// Characters of what was sent, by four.
    pub input_tokens: u64,
}

/// Reads the body of `POST /v1/messages`. `betas` are the values of `anthropic-beta`.
pub fn parse_message<'a>(
    body: &[u8],
    betas: impl IntoIterator<Item = &'a [u8]>,
) -> Result<InferenceRequest, ApiError> {
    let mut fields = body_fields(body)?;
    let model = model(&mut fields)?;
    fields
        .required("max_tokens")?
        .integer(1..=u64::from(u32::MAX))?;
    let input_tokens = sent_tokens(&mut fields)?;
    let stream = fields.take_non_null("stream").map(Field::boolean);
    let stream = stream.transpose()?.unwrap_or_default();
    let user_profile_id = fields.take_non_null("user_profile_id").map(Field::string);
    let user_profile_id = user_profile_id.transpose()?.map(|(_, id)| id);
    let billing_policy = fields.take_non_null("billing_policy");
    if billing_policy.is_some() && !headers::lists(betas, BILLING_BETA) {
        let message = format!("needs anthropic-beta: {BILLING_BETA}");
        return Err(ApiError::at("billing_policy", message));
    }
    Ok(InferenceRequest {
        model,
        stream,
        user_profile_id,
        bill_to: billing_policy.map(bill_to).transpose()?,
        input_tokens,
    })
}

/// Reads the body of `POST /v1/messages/count_tokens`; the number of tokens, and the profile's id in the body.
pub fn parse_count(body: &[u8]) -> Result<(u64, Option<String>), ApiError> {
    let mut fields = body_fields(body)?;
    model(&mut fields)?;
    let tokens = sent_tokens(&mut fields)?;
    let user_profile_id = fields.take_non_null("user_profile_id").map(Field::string);
    Ok((tokens, user_profile_id.transpose()?.map(|(_, id)| id)))
}

fn model(fields: &mut Fields) -> Read<String> {
    let (_, model) = fields.required("model")?.string()?;
    Ok(model)
}

fn bill_to(field: Field) -> Read<BillTo> {
    let mut fields = field.object()?;
    fields.required("type")?.parsed(|text| match text {
        "billing_policy" => Ok(()),
        _ => Err("must be billing_policy"),
    })?;
    let bill_to = fields.required("bill_to")?.parsed(BillTo::parse)?;
    fields.finish()?;
    Ok(bill_to)
}

fn sent_tokens(fields: &mut Fields) -> Read<u64> {
    let messages = fields.required("messages")?;
    let mut counted = characters(&messages.value);
    messages.array()?;
    for more in ["system", "tools"] {
        counted += fields
            .take(more)
            .map_or(0, |field| characters(&field.value));
    }
    Ok(tokens(counted))
}

/// The characters of every text in a value.
fn characters(value: &Json) -> u64 {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => length(text),
        Json::Array(elements) => elements.iter().map(characters).sum(),
        Json::Object(members) => members.values().map(characters).sum(),
    }
}

fn length(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

fn tokens(characters: u64) -> u64 {
    characters.div_ceil(4)
}

/// An answer to a request for inference.
#[derive(Clone, Copy, Debug)]
pub struct InferenceAnswer<'a> {
    /// Its id, `msg_…`.
    pub id: &'a str,
    /// The model that was asked for.
    pub model: &'a str,
    /// What it says.
    pub text: &'a str,
    /// Tokens of what was sent.
    pub input_tokens: u64,
}

impl InferenceAnswer<'_> {
    fn output_tokens(&self) -> u64 {
        tokens(length(self.text))
    }

    /// The message with this content, as it stands after so many tokens.
    fn write(&self, object: ObjectWriter<'_>, content: &str, ended: bool, tokens: u64) {
        object
            .text("id", self.id)
            .text("type", "message")
            .text("role", "assistant")
            .text("model", self.model)
            .raw("content", content)
            .optional_text("stop_reason", ended.then_some("end_turn"))
            .raw("stop_sequence", "null")
            .object("usage", |usage| {
                usage
                    .number("input_tokens", self.input_tokens)
                    .number("cache_creation_input_tokens", 0_u64)
                    .number("cache_read_input_tokens", 0_u64)
                    .number("output_tokens", tokens)
            })
            .close();
    }

    /// The whole message.
    pub fn message(&self) -> String {
        let mut content = "[".to_owned();
        ObjectWriter::new(&mut content)
            .text("type", "text")
            .text("text", self.text)
            .close();
        content.push(']');
        let mut out = String::with_capacity(512);
        let object = ObjectWriter::new(&mut out);
        self.write(object, &content, true, self.output_tokens());
        out
    }

    /// The message as the events that SDKs put together, each in the form of an event stream. The text comes word
    /// by word.
    pub fn events(&self) -> Vec<String> {
        let mut events = Vec::new();
        let mut add = |name: &str, members: &dyn Fn(ObjectWriter<'_>)| {
            let mut event = format!("event: {name}\ndata: ");
            members(ObjectWriter::new(&mut event).text("type", name));
            event.push_str("\n\n");
            events.push(event);
        };
        add("message_start", &|event| {
            event
                .with("message", |out| {
                    self.write(ObjectWriter::new(out), "[]", false, 1);
                })
                .close();
        });
        add("content_block_start", &|event| {
            event
                .number("index", 0_u64)
                .raw("content_block", r#"{"type":"text","text":""}"#)
                .close();
        });
        add("ping", &|event| event.close());
        for word in self.text.split_inclusive(' ') {
            add("content_block_delta", &|event| {
                event
                    .number("index", 0_u64)
                    .object("delta", |delta| {
                        delta.text("type", "text_delta").text("text", word)
                    })
                    .close();
            });
        }
        add("content_block_stop", &|event| {
            event.number("index", 0_u64).close();
        });
        add("message_delta", &|event| {
            event
                .raw(
                    "delta",
                    r#"{"stop_reason":"end_turn","stop_sequence":null}"#,
                )
                .object("usage", |usage| {
                    usage
                        .number("input_tokens", self.input_tokens)
                        .number("output_tokens", self.output_tokens())
                })
                .close();
        });
        add("message_stop", &|event| event.close());
        events
    }
}

/// The answer to a question for a number of tokens.
pub fn write_count(input_tokens: u64) -> String {
    object::object(|answer| answer.number("input_tokens", input_tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"123456789"}],"temperature":1}"#;

    #[test]
    fn a_body_is_read_for_what_matters_here() {
        let none: [&[u8]; 0] = [];
        let read = parse_message(BODY.as_bytes(), none).unwrap();
        // 9 of the content and 4 of the role.
        assert_eq!((read.model.as_str(), read.input_tokens), ("m", 4));
        let counted = parse_count(BODY.as_bytes()).unwrap();
        assert_eq!(counted, (4, None));
        let billed = BODY.replace(
            "\"temperature\":1",
            r#""billing_policy":{"type":"billing_policy","bill_to":"user_profile"}"#,
        );
        let refused = parse_message(billed.as_bytes(), none).unwrap_err();
        assert!(
            refused.message.starts_with("billing_policy: needs"),
            "{refused}"
        );
        let betas = [BILLING_BETA.as_bytes()];
        let read = parse_message(billed.as_bytes(), betas).unwrap();
        assert_eq!(read.bill_to, Some(BillTo::UserProfile));
        for (missing, said) in [
            ("\"model\":\"m\",", "model: is required"),
            ("\"max_tokens\":5,", "max_tokens: is required"),
        ] {
            let body = BODY.replace(missing, "");
            let refused = parse_message(body.as_bytes(), none).unwrap_err();
            assert_eq!(refused.message, said);
        }
    }

    #[test]
    fn the_events_come_to_the_message() {
        let answer = InferenceAnswer {
            id: "msg_1",
            model: "m",
            text: "Hello \"you\"",
            input_tokens: 4,
        };
        assert_eq!(
            answer.message(),
            r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello \"you\""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}"#
        );
        let events = answer.events();
        let names: Vec<_> = events
            .iter()
            .map(|event| event.lines().next().unwrap().to_owned())
            .collect();
        assert_eq!(names.len(), 8);
        assert!(events[3].contains(r#""text":"Hello ""#) && events[4].contains(r#"\"you\""#));
        assert!(events.iter().all(|event| event.ends_with("}\n\n")));
    }
}
