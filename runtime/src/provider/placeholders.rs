//! The words in a spec that are replaced when its server starts.

/// What the words are replaced by.
#[derive(Clone, Debug)]
pub(super) struct Placeholders {
    pub(super) password: String,
    pub(super) host: &'static str,
    pub(super) port: u16,
    pub(super) directory: String,
}

impl Placeholders {
    /// Returns the text with each word replaced. What a word is replaced by stays as it is.
    pub(super) fn fill(&self, text: &str) -> String {
        let port = self.port.to_string();
        let words = [
            ("{password}", self.password.as_str()),
            ("{host}", self.host),
            ("{port}", &port),
            ("{directory}", &self.directory),
        ];
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(brace) = rest.find('{') {
            filled.push_str(&rest[..brace]);
            rest = &rest[brace..];
            let found = words.iter().find(|(word, _)| rest.starts_with(word));
            let (word, value) = found.unwrap_or(&("{", "{"));
            filled.push_str(value);
            rest = &rest[word.len()..];
        }
        filled.push_str(rest);
        filled
    }

    /// Returns several texts with each word replaced.
    pub(super) fn fill_all(&self, texts: &[String]) -> Vec<String> {
        texts.iter().map(|text| self.fill(text)).collect()
    }

    /// Returns named texts, such as an environment, with each word replaced in the texts.
    pub(super) fn fill_pairs(&self, pairs: &[(String, String)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, text)| (name.clone(), self.fill(text)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_and_all_else_stays() {
        let placeholders = Placeholders {
            password: "secret".to_owned(),
            host: "127.0.0.1",
            port: 6379,
            directory: "/tmp/{port}".to_owned(),
        };
        for (text, filled) in [
            (
                "--bind {host} --port {port}",
                "--bind 127.0.0.1 --port 6379",
            ),
            ("{password}{password}", "secretsecret"),
            ("{directory}/data", "/tmp/{port}/data"),
            ("{{port}}", "{6379}"),
            (
                "{\"port\": {port}, \"ö\": {}}",
                "{\"port\": 6379, \"ö\": {}}",
            ),
            ("{ports} {Port} {", "{ports} {Port} {"),
            ("", ""),
        ] {
            assert_eq!(placeholders.fill(text), filled, "{text}");
        }
    }
}
