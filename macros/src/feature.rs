//! Whether the user's crate declares the feature that integration tests hide behind.

use toml::de::{DeTable, DeValue};

/// Name of that feature.
pub(crate) const FEATURE: &str = "integration";

/// Whether this `Cargo.toml` declares it; one that cannot be read declares nothing.
pub(crate) fn declared(manifest: &str) -> bool {
    let Ok(manifest) = DeTable::parse(manifest) else {
        return false;
    };
    let features = manifest
        .get_ref()
        .get("features")
        .map(toml::Spanned::get_ref)
        .and_then(DeValue::as_table);
    features.is_some_and(|features| features.contains_key(FEATURE))
}

#[cfg(test)]
mod tests {
    use super::declared;

    #[test]
    fn finds_the_feature_in_a_table() {
        assert!(declared(
            "[package]\nname = \"x\"\n[features]\nintegration = []\n"
        ));
    }

    #[test]
    fn finds_the_feature_under_a_dotted_key() {
        assert!(declared(
            "features.integration = []\n[package]\nname = \"x\"\n"
        ));
    }

    #[test]
    fn finds_the_feature_in_an_inline_table() {
        assert!(declared("features = { \"integration\" = [\"dep:x\"] }\n"));
    }

    #[test]
    fn does_not_take_another_features_member_for_it() {
        assert!(!declared("[features]\nfull = [\"integration\"]\n"));
    }

    #[test]
    fn does_not_take_a_comment_or_a_string_for_it() {
        assert!(!declared(
            "[package]\ndescription = '''\n[features]\nintegration = []\n'''\n# [features]\n# integration = []\n"
        ));
    }

    #[test]
    fn takes_an_unreadable_manifest_for_one_without_features() {
        assert!(!declared("[features\nintegration = []"));
    }
}
