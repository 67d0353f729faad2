//! The roles that run migrations and administer the server, before and after a template was filled:
//! what a block of code has changed of them is put back, and the template is not made.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::of_server::HELP;
use super::roles::Roles;
use super::scan;
use super::script::Script;
use super::sql::{literal, quoted};
use crate::Error;

/// What the server knows of the roles, and of what belongs to one database without being copied
/// with it.
#[derive(Debug)]
pub(super) struct RoleState {
    roles: Vec<Role>,
    /// A role of these, and one that it is a member of.
    memberships: BTreeSet<(String, String)>,
    /// Replication slots and subscriptions of the database.
    replication: BTreeSet<String>,
}

#[derive(Debug)]
struct Role {
    oid: i64,
    name: String,
    /// What `ALTER ROLE` sets, a phrase each.
    options: Vec<String>,
}

/// A role that was renamed is still found by its number. Only a superuser may read `$password`.
const ROLES: &str = "
    SELECT r.oid::bigint AS oid, r.rolname::text AS name, ARRAY[
        CASE WHEN r.rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
        CASE WHEN r.rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
        CASE WHEN r.rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
        CASE WHEN r.rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
        CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
        CASE WHEN r.rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
        CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
        'CONNECTION LIMIT ' || r.rolconnlimit,
        'VALID UNTIL ' || quote_literal(coalesce(r.rolvaliduntil, 'infinity')),
        $password] AS options
    FROM $roles r WHERE r.oid = ANY ($oids) ORDER BY r.oid";

const PASSWORD: &str = "'PASSWORD ' || coalesce(quote_literal(r.rolpassword), 'NULL')";

const NUMBERS: &str = "SELECT oid::bigint FROM pg_roles WHERE rolname = ANY ($names)";

const MEMBERSHIPS: &str = "
    SELECT pg_get_userbyid(member)::text AS member, pg_get_userbyid(roleid)::text AS role
    FROM pg_auth_members WHERE member = ANY ($oids)";

const REPLICATION: &str = "
    SELECT 'the replication slot ' || slot_name AS name
    FROM pg_replication_slots WHERE database = $database
    UNION ALL
    SELECT 'the subscription ' || s.subname
    FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = $database";

impl RoleState {
    /// Reads the state of the roles with these names, and of a database.
    pub(super) async fn read(
        registry: &mut PgConnection,
        superuser: bool,
        names: &[&str],
        database: &str,
    ) -> Result<Self, sqlx::Error> {
        let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
        let names = format!("ARRAY[{}]::text[]", names.join(","));
        let numbers = NUMBERS.replace("$names", &names);
        let rows = sqlx::raw_sql(AssertSqlSafe(numbers));
        let rows = rows.fetch_all(&mut *registry).await?;
        let oids: Result<Vec<i64>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Self::of(registry, superuser, &oids?, database).await
    }

    /// Reads the same state again.
    async fn again(
        &self,
        registry: &mut PgConnection,
        superuser: bool,
        database: &str,
    ) -> Result<Self, sqlx::Error> {
        let oids: Vec<i64> = self.roles.iter().map(|role| role.oid).collect();
        Self::of(registry, superuser, &oids, database).await
    }

    async fn of(
        registry: &mut PgConnection,
        superuser: bool,
        oids: &[i64],
        database: &str,
    ) -> Result<Self, sqlx::Error> {
        let oids: Vec<String> = oids.iter().map(ToString::to_string).collect();
        let oids = format!("'{{{}}}'::oid[]", oids.join(","));
        let (table, password) = if superuser {
            ("pg_authid", PASSWORD)
        } else {
            ("pg_roles", "NULL")
        };
        let query = |text: &str| {
            let text = text.replace("$oids", &oids).replace("$roles", table);
            let text = text.replace("$password", password);
            sqlx::raw_sql(AssertSqlSafe(text.replace("$database", &literal(database))))
        };
        let mut state = Self {
            roles: Vec::new(),
            memberships: BTreeSet::new(),
            replication: BTreeSet::new(),
        };
        for row in query(ROLES).fetch_all(&mut *registry).await? {
            let options: Vec<Option<String>> = row.try_get("options")?;
            state.roles.push(Role {
                oid: row.try_get("oid")?,
                name: row.try_get("name")?,
                options: options.into_iter().flatten().collect(),
            });
        }
        for row in query(MEMBERSHIPS).fetch_all(&mut *registry).await? {
            let membership = (row.try_get("member")?, row.try_get("role")?);
            state.memberships.insert(membership);
        }
        for row in query(REPLICATION).fetch_all(&mut *registry).await? {
            state.replication.insert(row.try_get("name")?);
        }
        Ok(state)
    }

    /// Puts back what has changed since this was read; returns the error that says what that was.
    /// A membership in a role that migrations have made, one of `made`, goes with that role.
    pub(super) async fn restore(
        &self,
        registry: &mut PgConnection,
        superuser: bool,
        database: &str,
        made: &Roles,
        scripts: &[Script],
    ) -> Result<Option<Error>, sqlx::Error> {
        let now = self.again(registry, superuser, database).await?;
        let (mut changed, mut statements) = (Vec::new(), Vec::new());
        for (before, after) in self.roles.iter().zip(&now.roles) {
            let name = quoted(&before.name);
            if before.name != after.name {
                changed.push(format!("the name of the role {name}"));
                let now = quoted(&after.name);
                statements.push(format!("ALTER ROLE {now} RENAME TO {name}"));
            }
            let options = before.options.iter().zip(&after.options);
            let differing: Vec<&str> = options
                .filter(|(before, after)| before != after)
                .map(|(before, _)| before.as_str())
                .collect();
            if !differing.is_empty() {
                changed.push(format!("attributes of the role {name}"));
                statements.push(format!("ALTER ROLE {name} {}", differing.join(" ")));
            }
        }
        for (member, role) in now.memberships.difference(&self.memberships) {
            if !made.contains(role) {
                changed.push(format!("that {member} is a member of {role}"));
                statements.push(format!("REVOKE {} FROM {}", quoted(role), quoted(member)));
            }
        }
        for (member, role) in self.memberships.difference(&now.memberships) {
            if !made.contains(role) {
                changed.push(format!("that {member} was a member of {role}"));
                statements.push(format!("GRANT {} TO {}", quoted(role), quoted(member)));
            }
        }
        // The database is dropped, and they with it.
        changed.extend(now.replication.difference(&self.replication).cloned());
        if changed.is_empty() {
            return Ok(None);
        }
        let mut error = Error::new(match culprit(scripts) {
            Some(script) => format!("apply the {} {}", script.kind, script.source),
            None => "apply the migrations".to_owned(),
        })
        .because(format!(
            "it has changed what belongs to the server, which tests share: {}",
            changed.join("; ")
        ))
        .with_help(HELP);
        for statement in statements {
            if let Err(failure) = registry.execute(AssertSqlSafe(statement.clone())).await {
                let shown = statement.split(" PASSWORD ").next().unwrap_or_default();
                error = error.note(format!("`{shown}` could not be put back: {failure}"));
            }
        }
        Ok(Some(error))
    }
}

/// Returns the first script that alters a role, grants one, or replicates: a block of code does not
/// show which statement it has run.
fn culprit(scripts: &[Script]) -> Option<&Script> {
    let is_one = |script: &&Script| {
        let words: Vec<String> = scan::words(&script.text).map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.windows(3).any(|three| {
            matches!(
                three,
                ["alter", "role" | "user" | "group", _]
                    | ["create", "subscription", _]
                    | ["grant", _, "to"]
                    | ["revoke", _, "from"]
            ) || three.iter().any(|word| word.ends_with("_replication_slot"))
        })
    };
    scripts.iter().find(is_one)
}
