//! Roles that migrations make. A role belongs to the server, so the migrations of a second template
//! find it there: for them `CREATE ROLE` means to alter the role that is there.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::role_settings::{self, RoleSettings};
use super::scan::statements;
use super::script::Script;
use super::sql::quoted;

/// Names of roles.
pub(super) type Roles = BTreeSet<String>;

/// What the roles of a server are before migrations run.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Those that the migrations of other databases have made.
    pub(super) made: Roles,
    /// What is set for roles; none if what migrations set may stay.
    pub(super) settings: Option<RoleSettings>,
}

impl Before {
    /// Returns a script that leaves to other databases the roles as they were. Nothing in it moves.
    pub(super) fn adapt(&self, script: &str) -> String {
        let mut adapted = adopt(script, &self.made);
        let settings = self.settings.as_ref();
        if let Some(end) = settings.and_then(|before| role_settings::end_of(script, before)) {
            adapted += &end;
        }
        adapted
    }

    /// The same for a script with its source.
    pub(super) fn adapted(&self, script: &Script) -> Script {
        Script {
            text: self.adapt(&script.text),
            ..script.clone()
        }
    }
}

/// Reads the roles of the server.
pub(super) async fn all(registry: &mut PgConnection) -> Result<Roles, sqlx::Error> {
    names(registry, "SELECT rolname::text FROM pg_roles").await
}

/// Reads the roles of the server that migrations have made.
pub(super) async fn made(registry: &mut PgConnection) -> Result<Roles, sqlx::Error> {
    names(
        registry,
        "SELECT name FROM made_role WHERE name IN (SELECT rolname FROM pg_roles)",
    )
    .await
}

async fn names(registry: &mut PgConnection, query: &'static str) -> Result<Roles, sqlx::Error> {
    let rows = sqlx::raw_sql(query).fetch_all(registry).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Records the roles that have been made since `before`.
pub(super) async fn record_new(
    registry: &mut PgConnection,
    before: &Roles,
) -> Result<(), sqlx::Error> {
    let after = all(registry).await?;
    for role in after.difference(before) {
        sqlx::query("INSERT INTO made_role VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(role)
            .execute(&mut *registry)
            .await?;
    }
    Ok(())
}

/// Drops the roles that migrations have made, once no template is left that could use them.
pub(super) async fn drop_unused(registry: &mut PgConnection) -> Result<(), sqlx::Error> {
    let rows = sqlx::raw_sql("SELECT 1 FROM template UNION ALL SELECT 1 FROM claim LIMIT 1");
    if !rows.fetch_all(&mut *registry).await?.is_empty() {
        return Ok(());
    }
    for role in made(registry).await? {
        let drop = format!("DROP ROLE {}", quoted(&role));
        // One that something else refers to stays.
        if registry.execute(AssertSqlSafe(drop)).await.is_ok() {
            sqlx::query("DELETE FROM made_role WHERE name = $1")
                .bind(role)
                .execute(&mut *registry)
                .await?;
        }
    }
    Ok(())
}

/// Returns a script in which `CREATE ROLE` of these roles alters them instead. Nothing in it moves.
fn adopt(script: &str, roles: &Roles) -> String {
    let mut adopted = script.to_owned();
    if roles.is_empty() {
        return adopted;
    }
    for range in statements(script) {
        let Some((role, options)) = created_role(&script[range.clone()]) else {
            continue;
        };
        if !roles.contains(&role) {
            continue;
        }
        let replacement = if alters(options) {
            let kind = script[range.clone()].len() - options.len();
            let head = &script[range.start..range.start + kind];
            format!("{}{options}", altering(head))
        } else {
            // There is no such form for memberships.
            blank(&script[range.clone()])
        };
        adopted.replace_range(range, &replacement);
    }
    adopted
}

/// Returns the role that a statement creates, and what follows its name.
fn created_role(statement: &str) -> Option<(String, &str)> {
    let rest = word(statement, "CREATE")?;
    let rest = ["ROLE", "USER", "GROUP"]
        .iter()
        .find_map(|kind| word(rest, kind))?;
    let rest = rest.trim_start();
    if let Some(name) = rest.strip_prefix('"') {
        let end = name.find('"')?;
        return Some((name[..end].to_owned(), &name[end + 1..]));
    }
    let end = rest
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
        .unwrap_or(rest.len());
    let name = rest[..end].to_lowercase();
    // `CREATE USER MAPPING` is another thing.
    (!name.is_empty() && name != "mapping").then_some((name, &rest[end..]))
}

/// Returns what follows a word that the text begins with.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let text = text.trim_start();
    let (first, rest) = text.split_at_checked(word.len())?;
    let ends = rest.starts_with(|c: char| c.is_whitespace() || c == '"');
    (first.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// Returns whether the options of a new role are also those of `ALTER ROLE`.
fn alters(options: &str) -> bool {
    const ONLY_WHEN_NEW: [&str; 6] = ["IN", "ROLE", "ADMIN", "USER", "GROUP", "SYSID"];
    !options.split(|c: char| !c.is_alphanumeric()).any(|word| {
        ONLY_WHEN_NEW
            .iter()
            .any(|new| word.eq_ignore_ascii_case(new))
    })
}

/// Returns `CREATE … name` as `ALTER ROLE name`, of the same length.
fn altering(head: &str) -> String {
    let start = head.len() - head.trim_start().len();
    let after_create = start + "CREATE".len();
    let rest = &head[after_create..];
    let kind_start = after_create + (rest.len() - rest.trim_start().len());
    let kind_end = head[kind_start..]
        .find(|c: char| !c.is_alphanumeric())
        .map_or(head.len(), |length| kind_start + length);
    // Any kind is a role: `ALTER GROUP` takes no options. `GROUP` is the longest word.
    let kind = format!("{:<width$}", "ROLE", width = kind_end - kind_start);
    format!(
        "{}ALTER {}{kind}{}",
        &head[..start],
        &head[after_create..kind_start],
        &head[kind_end..]
    )
}

/// Returns white space with the lines of a text.
fn blank(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let blank = if c == '\n' { '\n' } else { ' ' };
            std::iter::repeat_n(blank, c.len_utf8())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopted(script: &str) -> String {
        let roles = Roles::from(["reader".to_owned(), "Odd name".to_owned()]);
        let adopted = adopt(script, &roles);
        assert_eq!(adopted.len(), script.len());
        adopted
    }

    #[test]
    fn roles_that_are_there_are_altered() {
        for (script, expected) in [
            ("CREATE ROLE reader", "ALTER  ROLE reader"),
            (
                "-- one\ncreate user Reader WITH LOGIN;",
                "-- one\nALTER  ROLE Reader WITH LOGIN;",
            ),
            ("CREATE GROUP reader;", "ALTER  ROLE  reader;"),
            (
                "SELECT 1; CREATE ROLE \"Odd name\" NOLOGIN; SELECT 2",
                "SELECT 1; ALTER  ROLE \"Odd name\" NOLOGIN; SELECT 2",
            ),
            (
                "CREATE ROLE reader IN ROLE x;",
                "                            ;",
            ),
        ] {
            assert_eq!(adopted(script), expected);
        }
    }

    #[test]
    fn everything_else_stays() {
        for script in [
            "CREATE ROLE writer",
            "CREATE USER MAPPING FOR reader SERVER s",
            "SELECT 'CREATE ROLE reader'",
            "CREATE TABLE reader ()",
        ] {
            assert_eq!(adopted(script), script);
        }
    }
}
