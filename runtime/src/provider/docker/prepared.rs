//! Data directories of PostgreSQL, prepared once per image and settings: a server that starts from
//! one is spared the image's own initialisation, which takes longer than all else.
//!
//! The image's entrypoint prepares them itself, in a container of its own after the first server
//! has answered, and leaves an archive in the user's cache. The archive is put in its place last,
//! so that one that is there is whole. Servers from it share their password, which is kept beside.

use std::collections::HashMap;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, ImageInspect};
use testcontainers::bollard::query_parameters::CreateContainerOptionsBuilder;

use super::super::local::{cache_directory, keep_first, kept_file};
use super::super::{Wanted, hex, random};
use super::container::Container;
use super::create::{PASSWORD, USER_LABEL};
use crate::{Error, Result, config, registry};

/// Where the archive is in a server's container, and the cache in the one that prepares.
const ARCHIVE: &str = "/container-test-data.tar";
const CACHE: &str = "/container-test-cache";

/// `sh -c UNPACK unpack ARCHIVE DATA entrypoint…`: if it fails, the entrypoint does its work.
const UNPACK: &str = r#"
    if [ -f "$1" ] && mkdir -p "$2" && [ ! -e "$2/PG_VERSION" ]; then
        tar -xpf "$1" -C "$2" || find "$2" -mindepth 1 -delete
    fi
    shift 2
    exec "$@""#;

/// `sh -c PACK pack ARCHIVE DATA NAME SCRIPT entrypoint… postgres…`: once the entrypoint has become
/// the server, the registry NAME is made by SCRIPT, and the server is stopped as one that has
/// finished its work. A server that the entrypoint runs meanwhile is another process; a registry
/// that could not be made is made by whoever finds it missing.
const PACK: &str = r#"
    archive=$1 data=$2 name=$3 script=$4
    shift 4
    "$@" &
    server=$!
    while kill -0 "$server" 2>/dev/null; do
        if [ "$(head -n 1 "$data/postmaster.pid" 2>/dev/null)" = "$server" ] &&
            grep -q '^ready' "$data/postmaster.pid"; then
            psql -U postgres -d postgres -qc "CREATE DATABASE $name" &&
                psql -U postgres -d "$name" -qc "$script"
            kill -TERM "$server"
            wait "$server" && tar -cpf "$archive.new" -C "$data" . && mv "$archive.new" "$archive"
            exit
        fi
        sleep 0.1
    done"#;

/// A prepared data directory, or one that may be prepared.
pub(super) struct Prepared {
    /// The name of the archive in the cache.
    name: String,
    directory: PathBuf,
    /// Where the image has its data.
    data: String,
    pub(super) password: String,
}

impl Prepared {
    /// The one of the image; none where the engine does not see our files.
    pub(super) fn of(container: &Container, wanted: &Wanted, image: &ImageInspect) -> Option<Self> {
        if !container.reach.direct {
            return None;
        }
        let settings = format!(
            "{} {:?} {PACK} {} {}",
            image.id.as_deref()?,
            wanted.env,
            registry::NAME,
            registry::SCRIPT
        );
        let key = hex(&Sha256::digest(settings)[..8]);
        let kept = format!("docker-{key}.password");
        let password = match kept_file(&kept) {
            Some(password) => password,
            None => keep_first(&kept, &random().ok()?)?,
        };
        let environment = image.config.as_ref()?.env.as_deref().unwrap_or_default();
        let data = environment
            .iter()
            .find_map(|pair| pair.strip_prefix("PGDATA="))
            .unwrap_or("/var/lib/postgresql/data");
        Some(Self {
            name: format!("docker-{key}.tar"),
            directory: cache_directory()?,
            data: data.to_owned(),
            password,
        })
    }

    fn archive(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Whether it was prepared.
    pub(super) fn is_there(&self) -> bool {
        self.archive().is_file()
    }

    /// What goes before the image's entrypoint.
    pub(super) fn unpack(&self) -> Vec<String> {
        ["sh", "-c", UNPACK, "unpack", ARCHIVE, &self.data]
            .map(str::to_owned)
            .to_vec()
    }

    /// How the server's container gets to see the archive.
    pub(super) fn bind(&self) -> String {
        format!("{}:{ARCHIVE}:ro", self.archive().display())
    }

    /// Has it prepared, unless somebody else does. The container does without us from then on.
    pub(super) async fn prepare(
        self,
        container: Container,
        wanted: Wanted,
        image: ImageInspect,
    ) -> Result<()> {
        let failed = |error| Error::new("prepare a data directory").because(error);
        let original = image.config.unwrap_or_default();
        let archive = format!("{CACHE}/{}", self.name);
        let mut command = [
            PACK,
            "pack",
            &archive,
            &self.data,
            registry::NAME,
            registry::SCRIPT,
        ]
        .map(str::to_owned)
        .to_vec();
        command.extend(original.entrypoint.unwrap_or_default());
        command.extend(original.cmd.unwrap_or_default());
        command.extend(wanted.args.clone());
        let environment = wanted
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let volumes = original.volumes.unwrap_or_default().into_iter();
        let body = ContainerCreateBody {
            image: image.id,
            entrypoint: Some(vec!["sh".to_owned(), "-c".to_owned()]),
            cmd: Some(command),
            env: Some(
                environment
                    .chain([format!("{PASSWORD}={}", self.password)])
                    .collect(),
            ),
            labels: Some(HashMap::from([(USER_LABEL.to_owned(), config::user())])),
            host_config: Some(HostConfig {
                auto_remove: Some(true),
                network_mode: Some("none".to_owned()),
                binds: Some(vec![format!("{}:{CACHE}", self.directory.display())]),
                tmpfs: Some(volumes.map(|path| (path, String::new())).collect()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let name = format!(
            "container-test-prepare-{}",
            self.name.trim_end_matches(".tar")
        );
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let engine = container.engine().await?;
        let created = engine.create_container(Some(options), body).await;
        let id = created.map_err(failed)?.id;
        engine.start_container(&id, None).await.map_err(failed)
    }
}
