//! What a development server says when it is ready.

use std::net::SocketAddr;

use rollcall_domain::tenant::KeyKind;
use serde_json::json;

use super::tenant::Tenant;
use crate::cli::output::{self, Format, OutputArgs};
use crate::config::Config;

impl Tenant {
    /// Tells the person, or the program, that started it.
    pub(super) fn announce(
        &self,
        config: &Config,
        address: SocketAddr,
        operators: SocketAddr,
        output: OutputArgs,
    ) {
        let base = config.base_url(reachable(address));
        let local = format!("http://{}", reachable(address));
        let operators = format!("http://{}", reachable(operators));
        match output.output {
            None | Some(Format::Table) => {
                let welcome = self.welcome(config, &base, &local, &operators);
                output::aside(move || output::write_bytes(welcome.as_bytes()));
            }
            Some(Format::Json | Format::Ndjson) => {
                let ready = json!({
                    "base_url": local,
                    "public_base_url": base,
                    "operator_url": operators,
                    "console_url": format!("{operators}/console"),
                    "organization_id": self.organization_id.as_str(),
                    "workspace_id": self.workspace_id.as_str(),
                    "api_key": self.secret(KeyKind::Api),
                    "admin_key": self.secret(KeyKind::Admin),
                    "operator_key": self.secret(KeyKind::Operator),
                    "gateway_key": self.secret(KeyKind::Gateway),
                });
                output::aside(move || output.open().item(&ready));
            }
        }
    }

    fn welcome(&self, config: &Config, base: &str, local: &str, operators: &str) -> String {
        let [api, admin, operator, gateway] = [
            KeyKind::Api,
            KeyKind::Admin,
            KeyKind::Operator,
            KeyKind::Gateway,
        ]
        .map(|kind| self.secret(kind));
        let data = if config.in_memory {
            "in memory, gone at the end".to_owned()
        } else if config.database_url.is_some() {
            "in the database of --database-url".to_owned()
        } else {
            format!("kept in {}", config.data_dir.display())
        };
        let quoted = quoted(api);
        let operator_api = if operators == local {
            String::new()
        } else {
            format!("  Operator API  {operators}\n")
        };
        format!(
            "\
Rollcall {version}, for development only: its keys are shown here and it obeys development controls.

  Base URL      {local}
{operator_api}  Console       {operators}/console
  Reference     {operators}/docs
  End users     {base}/user-profiles/…
  Organization  {organization}
  Workspace     {workspace}
  API key       {api}
  Admin key     {admin}
  Operator key  {operator}
  Gateway key   {gateway}
  Data          {data}

Try it:

  curl {local}/v1/user_profiles -H 'anthropic-version: 2023-06-01' -H {header}

With the official Python SDK (pip install anthropic):

  from anthropic import Anthropic
  client = Anthropic(base_url=\"{local}\", api_key={quoted})
  client.user_profiles.create(name=\"Ana\")
  print(client.user_profiles.list().data)

Ctrl-C ends it.
",
            operator_api = operator_api,
            version = env!("CARGO_PKG_VERSION"),
            organization = self.organization_id,
            workspace = self.workspace_id,
            header = shell_quoted(&format!("x-api-key: {api}")),
        )
    }
}

/// An address that a client on this machine can use.
pub(in crate::cli) fn reachable(address: SocketAddr) -> SocketAddr {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    reachable
}

fn quoted(text: &str) -> String {
    json!(text).to_string()
}

pub(in crate::cli) fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_is_quoted() {
        assert_eq!(shell_quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
    }

    #[test]
    fn the_address_of_all_interfaces_is_shown_as_this_machine() {
        let all: SocketAddr = "0.0.0.0:80".parse().unwrap();
        assert_eq!(reachable(all).to_string(), "127.0.0.1:80");
        let one: SocketAddr = "10.0.0.1:80".parse().unwrap();
        assert_eq!(reachable(one), one);
    }
}
