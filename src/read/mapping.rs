//! Which table or view, and which of its columns, each source is: as configured, or else as detected.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;

use pgrx::prelude::*;
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};
use crate::pg::catalog;
use crate::pg::session;
use crate::pg::spi::Connection;

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Id,
    Stars,
    /// A date, a timestamp, or (of publication) a year.
    Time,
    Text,
}

impl Kind {
    fn expects(self) -> &'static str {
        match self {
            Kind::Id => "smallint, integer or bigint",
            Kind::Stars => "a number",
            Kind::Time => "date, timestamp, timestamptz or a year as integer",
            Kind::Text => "text",
        }
    }

    fn accepts(self, type_oid: pg_sys::Oid) -> bool {
        let integer = [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID].contains(&type_oid);
        match self {
            Kind::Id => integer,
            Kind::Stars => integer || [pg_sys::FLOAT4OID, pg_sys::FLOAT8OID, pg_sys::NUMERICOID].contains(&type_oid),
            Kind::Time => {
                integer || [pg_sys::DATEOID, pg_sys::TIMESTAMPOID, pg_sys::TIMESTAMPTZOID].contains(&type_oid)
            }
            Kind::Text => [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID].contains(&type_oid),
        }
    }
}

/// A column that a source has, with the spellings that are looked for: the snake case that MikroORM writes by default,
/// then camel case, then what an unquoted camel case becomes.
pub struct Role {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    spellings: &'static [&'static str],
}

const fn role(name: &'static str, kind: Kind, required: bool, spellings: &'static [&'static str]) -> Role {
    Role { name, kind, required, spellings }
}

pub struct SourceKind {
    pub name: &'static str,
    pub roles: &'static [Role],
    tables: &'static [&'static str],
}

const USER_ID: &[&str] = &["usuario_id", "usuarioId", "usuarioid", "usuario", "id_usuario", "user_id", "userId"];
const ITEM_ID: &[&str] =
    &["libro_id", "libroId", "libroid", "libro", "id_libro", "item_id", "itemId", "book_id", "bookId"];

pub static SOURCES: [SourceKind; 4] = [
    SourceKind {
        name: "rating",
        tables: &["resena", "resenas", "reseña", "reseñas", "Resena", "review", "reviews", "rating", "ratings"],
        roles: &[
            role("user", Kind::Id, true, USER_ID),
            role("item", Kind::Id, true, ITEM_ID),
            role("stars", Kind::Stars, true, &["estrellas", "puntuacion", "calificacion", "stars", "rating"]),
            role(
                "at",
                Kind::Time,
                false,
                &[
                    "fecha_resena",
                    "fechaResena",
                    "fecharesena",
                    "fecha_creacion",
                    "created_at",
                    "createdAt",
                    "createdat",
                    "fecha",
                ],
            ),
        ],
    },
    SourceKind {
        name: "favorite",
        tables: &["favorito", "favoritos", "Favorito", "favorite", "favorites"],
        roles: &[
            role("user", Kind::Id, true, USER_ID),
            role("item", Kind::Id, true, ITEM_ID),
            role(
                "at",
                Kind::Time,
                false,
                &[
                    "fecha_favorito",
                    "fechaFavorito",
                    "fechafavorito",
                    "fecha_agregado",
                    "fechaAgregado",
                    "fechaagregado",
                    "fecha_creacion",
                    "created_at",
                    "createdAt",
                    "createdat",
                    "fecha",
                ],
            ),
        ],
    },
    SourceKind {
        name: "item",
        tables: &["libro", "libros", "Libro", "book", "books", "item", "items"],
        roles: &[
            role("id", Kind::Id, true, &["id", "id_libro", "libro_id"]),
            role(
                "category",
                Kind::Id,
                false,
                &[
                    "categoria_id",
                    "categoriaId",
                    "categoriaid",
                    "categoria",
                    "id_categoria",
                    "category_id",
                    "categoryId",
                ],
            ),
            role(
                "author",
                Kind::Id,
                false,
                &["autor_id", "autorId", "autorid", "autor", "id_autor", "author_id", "authorId"],
            ),
            role(
                "published",
                Kind::Time,
                false,
                &[
                    "fecha_publicacion",
                    "fechaPublicacion",
                    "fechapublicacion",
                    "anio_publicacion",
                    "published_at",
                    "publishedAt",
                    "created_at",
                    "createdAt",
                    "createdat",
                ],
            ),
            role("title", Kind::Text, false, &["titulo", "title", "nombre", "name"]),
        ],
    },
    SourceKind {
        name: "user",
        tables: &["usuario", "usuarios", "Usuario", "user", "users"],
        roles: &[
            role("id", Kind::Id, true, &["id", "id_usuario", "usuario_id"]),
            role(
                "since",
                Kind::Time,
                false,
                &["fecha_registro", "fechaRegistro", "fecharegistro", "created_at", "createdAt", "createdat"],
            ),
        ],
    },
];

/// A column that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    type_oid: pg_sys::Oid,
}

impl Column {
    pub fn quoted(&self) -> String {
        pgrx::spi::quote_identifier(&self.name)
    }

    /// Seconds since 1970 as float8; an integer is a year.
    pub fn as_seconds(&self) -> String {
        match self.type_oid {
            pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID => {
                format!("(({}::pg_catalog.float8 - 1970) * 31556952)", self.quoted())
            }
            _ => format!("pg_catalog.date_part('epoch', {})", self.quoted()),
        }
    }

    /// A condition that an index on the column serves: not before `seconds` since 1970, an expression. A date counts
    /// whole, and what has no time zone as UTC, as [`Column::as_seconds`] has it.
    pub fn since(&self, seconds: &str) -> String {
        let moment = format!("pg_catalog.to_timestamp({seconds})");
        let in_utc = format!("pg_catalog.timezone('UTC', {moment})");
        let least = match self.type_oid {
            pg_sys::TIMESTAMPTZOID => moment,
            pg_sys::TIMESTAMPOID => in_utc,
            pg_sys::DATEOID => format!("{in_utc}::pg_catalog.date"),
            _ => return format!("{} OPERATOR(pg_catalog.>=) {seconds}", self.as_seconds()),
        };
        format!("{} OPERATOR(pg_catalog.>=) {least}", self.quoted())
    }
}

/// A source that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    pub schema: String,
    pub name: String,
    pub oid: pg_sys::Oid,
    pub configured: bool,
    /// One per role of the source.
    columns: Vec<Option<Column>>,
}

impl Relation {
    /// Qualified and quoted.
    pub fn quoted(&self) -> String {
        pgrx::spi::quote_qualified_identifier(&self.schema, &self.name)
    }

    pub fn column(&self, source: &SourceKind, role: &str) -> Option<&Column> {
        let place = source.roles.iter().position(|r| r.name == role)?;
        self.columns.get(place)?.as_ref()
    }
}

/// The four sources, in the order of [`SOURCES`]; a relation is None where nothing was found.
#[derive(Debug, Clone)]
pub struct Mapping {
    relations: [Option<Relation>; 4],
    problems: [Option<String>; 4],
}

pub const RATING: usize = 0;
pub const FAVORITE: usize = 1;
pub const ITEM: usize = 2;
pub const USER: usize = 3;

impl Mapping {
    pub fn get(&self, source: usize) -> Option<&Relation> {
        self.relations[source].as_ref()
    }

    /// Why a source is not there, for people.
    pub fn problem(&self, source: usize) -> Option<&str> {
        self.problems[source].as_deref()
    }

    /// What every use needs: items, and reviews or favourites.
    pub fn check(&self) -> Outcome<()> {
        let broken = |source: usize| self.get(source).is_none();
        if broken(ITEM) {
            return Err(self.missing(ITEM));
        }
        if broken(RATING) && broken(FAVORITE) {
            return Err(self.missing(RATING));
        }
        Ok(())
    }

    fn missing(&self, source: usize) -> Failure {
        let kind = &SOURCES[source];
        let problem = self.problem(source).unwrap_or("it was not found").to_owned();
        let code = PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE;
        Failure::new(code, format!("the source \"{}\" is not usable: {problem}", kind.name)).hint(how_to(kind))
    }
}

fn how_to(kind: &SourceKind) -> String {
    let columns: Vec<String> = kind.roles.iter().map(|r| format!("\"{}\": \"...\"", r.name)).collect();
    format!("Map it: SELECT reco_configure('{}', 'my_table', '{{{}}}');", kind.name, columns.join(", "))
}

/// The key of a resolved mapping: what it was resolved from.
#[derive(PartialEq, Eq, Clone)]
struct Key {
    revision: i64,
    search_path: String,
    user: pg_sys::Oid,
    database_changes: u64,
}

thread_local! {
    static CACHED: RefCell<Option<(Key, Rc<Mapping>)>> = const { RefCell::new(None) };
    static CHANGES: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

/// Called by PostgreSQL whenever the definition of any relation may have changed.
unsafe extern "C-unwind" fn on_relation_change(_arg: pg_sys::Datum, _relation: pg_sys::Oid) {
    CHANGES.set(CHANGES.get().map(|n| n.wrapping_add(1)));
}

fn changes() -> u64 {
    if CHANGES.get().is_none() {
        CHANGES.set(Some(0));
        // SAFETY: registered once per backend; the callback touches nothing of PostgreSQL.
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(on_relation_change), pg_sys::Datum::from(0)) };
    }
    CHANGES.get().unwrap_or(0)
}

/// The mapping as the caller sees it now. `revision` is what a look-up in `reco.source` gave.
pub fn resolve(connection: &Connection, revision: i64) -> Outcome<Rc<Mapping>> {
    let (search_path, user) = (session::search_path(), session::user());
    let key = Key { revision, search_path, user, database_changes: changes() };
    if let Some(found) = CACHED.with_borrow(|c| c.as_ref().filter(|c| c.0 == key).map(|c| Rc::clone(&c.1))) {
        return Ok(found);
    }
    let configured = configured(connection)?;
    let mut mapping = Mapping { relations: [const { None }; 4], problems: [const { None }; 4] };
    for (i, kind) in SOURCES.iter().enumerate() {
        let found = match configured.iter().find(|c| c.0 == kind.name) {
            Some((_, schema, name, columns)) => from_configuration(kind, schema, name, columns),
            None => detect(kind),
        };
        match found {
            Ok(relation) => mapping.relations[i] = Some(relation),
            Err(problem) => mapping.problems[i] = Some(problem),
        }
    }
    let mapping = Rc::new(mapping);
    CACHED.set(Some((key, Rc::clone(&mapping))));
    Ok(mapping)
}

type Configured = (String, String, String, Map<String, Value>);

fn configured(connection: &Connection) -> Outcome<Vec<Configured>> {
    let rows = connection.read(
        "SELECT source, relation_schema::pg_catalog.text, relation_name::pg_catalog.text, columns FROM reco.source",
        &[],
    )?;
    let text = |row, column| rows.get::<String>(row, column).unwrap_or_default();
    Ok((0..rows.len())
        .map(|row| {
            let columns = match rows.get::<pgrx::JsonB>(row, 3).map(|j| j.0) {
                Some(Value::Object(map)) => map,
                _ => Map::new(),
            };
            (text(row, 0), text(row, 1), text(row, 2), columns)
        })
        .collect())
}

/// A problem is a sentence for [`Mapping::problem`], not an error: other sources may do.
type Found = Result<Relation, String>;

fn from_configuration(kind: &SourceKind, schema: &str, name: &str, columns: &Map<String, Value>) -> Found {
    let quoted = pgrx::spi::quote_qualified_identifier(schema, name);
    let Some(catalog::Found { oid, schema, name }) = catalog::find(Some(schema), name) else {
        return Err(format!("{quoted}, which was configured, does not exist"));
    };
    let all = columns_of(oid);
    let picked = kind.roles.iter().map(|role| {
        let Some(wanted) = columns.get(role.name).and_then(Value::as_str) else {
            return if role.required {
                Err(format!("no column is configured for \"{}\"", role.name))
            } else {
                Ok(None)
            };
        };
        match all.iter().find(|c| c.name == wanted) {
            Some(column) => typed(role, column, &quoted).map(Some),
            None => Err(format!("{quoted} has no column \"{wanted}\"")),
        }
    });
    picked.collect::<Result<Vec<_>, _>>().map(|columns| Relation { schema, name, oid, configured: true, columns })
}

fn detect(kind: &SourceKind) -> Found {
    for table in kind.tables {
        let Some(catalog::Found { oid, schema, name }) = catalog::find(None, table) else {
            continue;
        };
        let all = columns_of(oid);
        let picked = kind.roles.iter().map(|role| {
            let found = role.spellings.iter().find_map(|s| all.iter().find(|c| c.name == **s));
            match found {
                Some(column) if role.required => typed(role, column, &name).map(Some),
                // An optional column of another type (categoria as text, say) is as good as none.
                Some(column) => Ok(typed(role, column, &name).ok()),
                None if role.required => {
                    Err(format!("{name} has none of the columns {} for \"{}\"", role.spellings.join(", "), role.name))
                }
                None => Ok(None),
            }
        });
        let columns = picked.collect::<Result<Vec<_>, _>>();
        return columns.map(|columns| Relation { schema, name, oid, configured: false, columns });
    }
    Err(format!("there is no table {} in the search_path", kind.tables.join(", ")))
}

fn typed(role: &Role, column: &Column, relation: &str) -> Result<Column, String> {
    if role.kind.accepts(column.type_oid) {
        return Ok(column.clone());
    }
    // SAFETY: gives a palloc'ed NUL-terminated string for any oid.
    let found = unsafe { CStr::from_ptr(pg_sys::format_type_be(column.type_oid)) }.to_string_lossy();
    Err(format!("column \"{}\" of {relation} is {found}, and {} is expected", column.name, role.kind.expects()))
}

fn columns_of(relation: pg_sys::Oid) -> Vec<Column> {
    catalog::columns(relation).into_iter().map(|(name, type_oid)| Column { name, type_oid }).collect()
}

/// A source by its name.
pub fn kind(source: &str) -> Outcome<&'static SourceKind> {
    SOURCES.iter().find(|k| k.name == source).ok_or_else(|| {
        Failure::invalid(format!("unknown source \"{source}\""))
            .detail("The sources are: rating, favorite, item, user.")
    })
}

/// Checks what `reco_configure` was given, by resolving it.
pub fn validate(source: &str, schema: &str, name: &str, columns: &Map<String, Value>) -> Outcome<()> {
    let kind = kind(source)?;
    if let Some(unknown) = columns.keys().find(|key| kind.roles.iter().all(|r| r.name != key.as_str())) {
        let known: Vec<&str> = kind.roles.iter().map(|r| r.name).collect();
        return Err(Failure::invalid(format!("the source \"{source}\" has no column \"{unknown}\""))
            .detail(format!("Its columns are: {}.", known.join(", "))));
    }
    if let Some((role, value)) = columns.iter().find(|(_, value)| !value.is_string()) {
        return Err(Failure::invalid(format!(
            "the column for \"{role}\" is {value}, and a name in quotes is expected"
        )));
    }
    from_configuration(kind, schema, name, columns)
        .map(|_| ())
        .map_err(|problem| Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, problem).hint(how_to(kind)))
}
