//! `doctor`: which providers can be used, why not, and what to do.

use std::process::ExitCode;

use container_test::__private::{Examined, examine};
use container_test::Result;
use serde_json::{Value, json};

use crate::command::Doctor;
use crate::package::{Declared, Package};

/// Prints what is found. It succeeds if each service has a provider that can be used.
pub(crate) async fn run(doctor: &Doctor) -> Result<ExitCode> {
    let services = match Package::find(doctor.of.manifest_path.as_deref()) {
        Ok(package) => {
            let both = ["postgres".to_owned(), "redis".to_owned()];
            package.services(&both)?
        }
        Err(error) if doctor.of.manifest_path.is_some() => return Err(error),
        // Without a package its defaults.
        Err(_) => vec![
            Declared::Postgres(container_test::Postgres::default()),
            Declared::Redis(container_test::Redis::default()),
        ],
    };
    let mut all = Vec::new();
    for service in services {
        all.push(match service {
            Declared::Postgres(postgres) => ("postgres", examine(&postgres).await?),
            Declared::Redis(redis) => ("redis", examine(&redis).await?),
        });
    }
    if doctor.json {
        let services: serde_json::Map<String, Value> = all
            .iter()
            .map(|(service, found)| ((*service).to_owned(), found.iter().map(json).collect()))
            .collect();
        println!("{:#}", Value::Object(services));
    } else {
        print!("{}", text(&all));
    }
    let usable = |(_, found): &(&str, Vec<Examined>)| found.iter().any(|provider| provider.usable);
    Ok(if all.iter().all(usable) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn json(found: &Examined) -> Value {
    json!({
        "provider": found.provider,
        "usable": found.usable,
        "reason": found.reason,
        "fix": found.fix,
    })
}

fn text(all: &[(&str, Vec<Examined>)]) -> String {
    let mut lines = Vec::new();
    for (service, found) in all {
        lines.push((*service).to_owned());
        let mut chosen = false;
        for Examined {
            provider,
            usable,
            reason,
            fix,
        } in found
        {
            let state = match usable {
                true if chosen => "usable",
                true => "usable, and used",
                false => "not usable",
            };
            chosen |= usable;
            lines.push(format!("  {provider}: {state}"));
            lines.push(format!("    why: {}", reason.replace('\n', "\n    ")));
            lines.extend(fix.as_ref().map(|fix| format!("    fix: {fix}")));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_usable_provider_is_the_one_that_is_used() {
        let found = |provider, usable, fix: Option<&str>| Examined {
            provider,
            usable,
            reason: "line one\nline two".to_owned(),
            fix: fix.map(str::to_owned),
        };
        let all = [(
            "redis",
            vec![
                found("external", false, Some("set a URL")),
                found("docker", true, None),
                found("local", true, None),
            ],
        )];
        assert_eq!(
            text(&all),
            "redis\n  external: not usable\n    why: line one\n    line two\n    fix: set a URL\n  \
             docker: usable, and used\n    why: line one\n    line two\n  \
             local: usable\n    why: line one\n    line two\n"
        );
    }
}
