//! The feature that a crate's tests need: `gate` in `[package.metadata.container-test]` of its
//! `Cargo.toml`.

use toml::de::{DeTable, DeValue};

use crate::check::nearest;

/// Returns the feature that the tests of the crate with this `Cargo.toml` need, or how to correct
/// the entry. A manifest that cannot be read has no gate: Cargo reports what is wrong with it.
pub(crate) fn read(manifest: &str) -> Result<Option<String>, String> {
    let Ok(manifest) = DeTable::parse(manifest) else {
        return Ok(None);
    };
    let manifest = manifest.get_ref();
    let settings = ["package", "metadata", "container-test"]
        .into_iter()
        .try_fold(manifest, table);
    let Some(settings) = settings else {
        return Ok(None);
    };
    if let Some(unknown) = unknown(settings) {
        return Err(unknown);
    }
    let Some(gate) = settings.get("gate") else {
        return Ok(None);
    };
    let Some(gate) = gate.get_ref().as_str() else {
        return Err(
            "`gate` in `[package.metadata.container-test]` of `Cargo.toml` is the name of a feature: write `gate = \"integration\"`"
                .to_owned(),
        );
    };
    let features = features(manifest);
    if features.iter().any(|feature| feature == gate) {
        return Ok(Some(gate.to_owned()));
    }
    let help = match nearest(gate, features.iter().map(String::as_str)) {
        Some(feature) => format!("did you mean `{feature}`?"),
        None => format!("declare it with `{gate} = []`"),
    };
    Err(format!(
        "`gate = \"{gate}\"` in `[package.metadata.container-test]` of `Cargo.toml` names no feature of `[features]`: {help}"
    ))
}

/// Keys of `[package.metadata.container-test]`. The services are for `cargo container-test`.
const KEYS: [&str; 4] = ["gate", "postgres", "redis", "services"];

/// Returns what is wrong with the first key that means nothing.
fn unknown(settings: &Table<'_>) -> Option<String> {
    let mut keys = settings.keys().map(|key| key.get_ref().as_ref());
    let unknown = keys.find(|key| !KEYS.contains(key))?;
    let help = match nearest(unknown, KEYS) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("the keys are `{}`", KEYS.join("`, `")),
    };
    Some(format!(
        "`{unknown}` in `[package.metadata.container-test]` of `Cargo.toml` means nothing: {help}"
    ))
}

type Table<'a> = DeTable<'a>;

fn table<'t, 'a>(parent: &'t Table<'a>, key: &str) -> Option<&'t Table<'a>> {
    parent.get(key)?.get_ref().as_table()
}

/// The declared features, and those that optional dependencies imply.
fn features(manifest: &Table<'_>) -> Vec<String> {
    let declared = table(manifest, "features");
    let names = declared
        .into_iter()
        .flat_map(|features| features.keys().map(|name| name.get_ref().to_string()));
    let members: Vec<&str> = declared
        .into_iter()
        .flat_map(DeTable::values)
        .filter_map(|members| members.get_ref().as_array())
        .flat_map(|members| members.iter())
        .filter_map(|member| member.get_ref().as_str())
        .collect();
    let implied = optional_dependencies(manifest)
        .filter(|name| !members.contains(&format!("dep:{name}").as_str()));
    names.chain(implied).collect()
}

fn optional_dependencies<'t>(manifest: &'t Table<'_>) -> impl Iterator<Item = String> + 't {
    let targets = table(manifest, "target")
        .into_iter()
        .flat_map(DeTable::values)
        .filter_map(|target| target.get_ref().as_table());
    [manifest]
        .into_iter()
        .chain(targets)
        .flat_map(|parent| {
            ["dependencies", "build-dependencies"]
                .into_iter()
                .filter_map(|key| table(parent, key))
        })
        .flat_map(|dependencies| dependencies.iter())
        .filter(|(_, dependency)| {
            let dependency = dependency.get_ref().as_table();
            let optional = dependency.and_then(|dependency| dependency.get("optional"));
            optional
                .map(toml::Spanned::get_ref)
                .and_then(DeValue::as_bool)
                == Some(true)
        })
        .map(|(name, _)| name.get_ref().to_string())
}

#[cfg(test)]
mod tests {
    use super::read;

    const GATE: &str = "[package.metadata.container-test]\ngate = \"integration\"\n";

    fn gate(rest: &str) -> Result<Option<String>, String> {
        read(&format!("{GATE}{rest}"))
    }

    fn is_integration(gate: &Result<Option<String>, String>) -> bool {
        matches!(gate, Ok(Some(feature)) if feature == "integration")
    }

    #[test]
    fn names_the_feature() {
        assert!(is_integration(&gate("[features]\nintegration = []\n")));
        assert!(is_integration(&read(
            "features.integration = []\npackage.metadata.container-test.gate = \"integration\"\n"
        )));
    }

    #[test]
    fn keys_that_mean_nothing_are_refused() {
        let gates = "[package.metadata.container-test]\ngates = \"integration\"\n";
        let error = read(gates).unwrap_err();
        assert!(
            error.ends_with("means nothing: did you mean `gate`?"),
            "{error}"
        );
        let services = "[package.metadata.container-test]\nservices = []\nredis.image = \"x\"\n";
        assert_eq!(read(services), Ok(None));
    }

    #[test]
    fn is_absent_unless_the_manifest_has_the_entry() {
        assert_eq!(
            read("[package]\nname = \"x\"\n[features]\nintegration = []\n"),
            Ok(None)
        );
        assert_eq!(read("[package.metadata.other]\ngate = \"x\"\n"), Ok(None));
        assert_eq!(read(""), Ok(None));
    }

    #[test]
    fn is_absent_from_a_manifest_that_cannot_be_read() {
        assert_eq!(read("[package.metadata.container-test\ngate = 1"), Ok(None));
    }

    #[test]
    fn may_be_an_optional_dependency() {
        for dependencies in [
            "[dependencies]\nintegration = { version = \"1\", optional = true }\n",
            "[build-dependencies.integration]\nversion = \"1\"\noptional = true\n",
            "[target.'cfg(unix)'.dependencies]\nintegration = { version = \"1\", optional = true }\n",
        ] {
            assert!(is_integration(&gate(dependencies)), "{dependencies}");
        }
    }

    #[test]
    fn cannot_be_a_dependency_that_is_no_feature() {
        for dependencies in [
            "[dependencies]\nintegration = \"1\"\n",
            "[dev-dependencies]\nintegration = { version = \"1\", optional = true }\n",
            "[dependencies]\nintegration = { version = \"1\", optional = true }\n[features]\nfull = [\"dep:integration\"]\n",
        ] {
            assert!(gate(dependencies).is_err(), "{dependencies}");
        }
    }

    #[test]
    fn must_be_text() {
        let error = read("[package.metadata.container-test]\ngate = true\n").unwrap_err();
        assert!(error.contains("write `gate = \"integration\"`"), "{error}");
    }

    #[test]
    fn must_name_a_feature() {
        let error = gate("[features]\nfull = [\"integration\"]\n").unwrap_err();
        assert!(
            error.ends_with("declare it with `integration = []`"),
            "{error}"
        );
        let error = gate("[features]\nintegrations = []\n").unwrap_err();
        assert!(error.ends_with("did you mean `integrations`?"), "{error}");
    }
}
