//! The names under which sources and their columns are looked for where `reco_configure` does not name them.

use pgrx::pg_sys;

use crate::pg::catalog;

/// Of integers.
pub const ARRAYS: [pg_sys::Oid; 3] = [pg_sys::INT2ARRAYOID, pg_sys::INT4ARRAYOID, pg_sys::INT8ARRAYOID];

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of a user or an item.
    Id,
    /// Of a category or an author: an id, or a label of an enum.
    Group,
    /// What grows with every row.
    Serial,
    /// One of these, or an array of ids.
    Groups,
    Stars,
    /// A date, a timestamp, an integer that counts seconds or milliseconds since 1970, or one of these dates as text.
    Time,
    /// A time, or a year.
    TimeOrYear,
    Text,
    /// A text, or several columns of it.
    Texts,
    Embedding,
    Number,
    /// What an event is: its text is looked up among the weights.
    Type,
    /// Marks a row that does not count.
    Deleted,
    /// Marks a row that counts.
    Active,
}

impl Kind {
    /// The types that are accepted, in words.
    pub fn types(self) -> &'static str {
        match self {
            Kind::Id => "smallint, integer, bigint, uuid or text",
            Kind::Serial => "smallint, integer or bigint",
            Kind::Group => "smallint, integer, bigint, uuid, text or an enum",
            Kind::Groups => "smallint, integer, bigint, uuid, text or an enum, or an array of integers",
            Kind::Stars | Kind::Number => "a number",
            Kind::Type => "text, an enum, an integer or boolean",
            Kind::Time => {
                "date, timestamp, timestamptz, an integer or bigint of seconds or milliseconds since 1970, or text"
            }
            Kind::TimeOrYear => {
                "date, timestamp, timestamptz, text, or an integer: a year, or seconds or milliseconds since 1970"
            }
            Kind::Text | Kind::Texts => "text",
            Kind::Embedding => "real[], double precision[] or pgvector's vector or halfvec",
            Kind::Deleted => "boolean, date, timestamp or timestamptz",
            Kind::Active => "boolean",
        }
    }

    /// Whether it says which rows count.
    pub fn is_mark(self) -> bool {
        matches!(self, Kind::Deleted | Kind::Active)
    }

    /// Whether a column is taken unasked. That a row is not meant to count has to be said. So has what describes an item:
    /// texts are read for each new item of a page, and nobody but the site knows which column says what an item is about.
    pub fn is_detected(self) -> bool {
        !self.is_mark() && !matches!(self, Kind::Texts | Kind::Embedding)
    }

    /// Whether several columns may be named.
    pub fn takes_several(self) -> bool {
        self == Kind::Texts
    }

    /// Whether it says when something was.
    pub fn is_time(self) -> bool {
        matches!(self, Kind::Time | Kind::TimeOrYear)
    }

    pub fn accepts(self, type_oid: pg_sys::Oid) -> bool {
        let integer = [pg_sys::INT2OID, pg_sys::INT4OID, pg_sys::INT8OID].contains(&type_oid);
        let time = [pg_sys::DATEOID, pg_sys::TIMESTAMPOID, pg_sys::TIMESTAMPTZOID].contains(&type_oid);
        match self {
            Kind::Id => integer || is_text(type_oid) || type_oid == pg_sys::UUIDOID,
            Kind::Group => Kind::Id.accepts(type_oid) || catalog::is_enum(type_oid),
            Kind::Groups => Kind::Group.accepts(type_oid) || ARRAYS.contains(&type_oid),
            Kind::Serial => integer,
            Kind::Stars | Kind::Number => {
                integer || [pg_sys::FLOAT4OID, pg_sys::FLOAT8OID, pg_sys::NUMERICOID].contains(&type_oid)
            }
            Kind::Time => time || integer && type_oid != pg_sys::INT2OID || is_text(type_oid),
            Kind::TimeOrYear => time || integer || is_text(type_oid),
            Kind::Deleted => time || type_oid == pg_sys::BOOLOID,
            Kind::Active => type_oid == pg_sys::BOOLOID,
            Kind::Text | Kind::Texts => is_text(type_oid),
            Kind::Embedding => {
                [pg_sys::FLOAT4ARRAYOID, pg_sys::FLOAT8ARRAYOID].contains(&type_oid) || catalog::is_vector(type_oid)
            }
            Kind::Type => is_text(type_oid) || integer || type_oid == pg_sys::BOOLOID || catalog::is_enum(type_oid),
        }
    }
}

pub fn is_text(type_oid: pg_sys::Oid) -> bool {
    [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID].contains(&type_oid)
}

/// A column that a source has, with the spellings that are looked for: the snake case that MikroORM writes by default,
/// then camel case, then what an unquoted camel case becomes.
pub struct Role {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub spellings: &'static [&'static str],
}

const fn role(name: &'static str, kind: Kind, required: bool, spellings: &'static [&'static str]) -> Role {
    Role { name, kind, required, spellings }
}

/// A source: its names, and what is looked for where it is not configured.
pub struct SourceKind {
    /// As `reco_configure` has it.
    pub name: &'static str,
    pub roles: &'static [Role],
    /// The role that single rows are looked up by.
    pub key: &'static str,
    /// Names of tables; the first that exists and is safe to read unasked is taken.
    pub tables: &'static [&'static str],
    /// Few sites have it: nothing is said of it where it is neither there nor configured.
    pub rare: bool,
}

const USER_ID: &[&str] = &["usuario_id", "usuarioId", "usuarioid", "usuario", "id_usuario", "user_id", "userId"];
const ITEM_ID: &[&str] =
    &["libro_id", "libroId", "libroid", "libro", "id_libro", "item_id", "itemId", "book_id", "bookId"];
const CATEGORY_ID: &[&str] =
    &["categoria_id", "categoriaId", "categoriaid", "categoria", "id_categoria", "category_id", "categoryId"];
const AUTHOR_ID: &[&str] = &["autor_id", "autorId", "autorid", "autor", "id_autor", "author_id", "authorId"];

const DELETED: Role = role(
    "deleted",
    Kind::Deleted,
    false,
    &[
        "deleted_at",
        "deletedAt",
        "deletedat",
        "deleted",
        "is_deleted",
        "isDeleted",
        "eliminado",
        "eliminado_en",
        "eliminadoEn",
        "eliminada",
        "fecha_eliminacion",
        "fechaEliminacion",
        "borrado",
        "fecha_borrado",
        "fecha_baja",
    ],
);
const ACTIVE: Role = role(
    "active",
    Kind::Active,
    false,
    &["active", "is_active", "isActive", "activo", "activa", "habilitado", "visible", "enabled"],
);

pub static RATING: SourceKind = SourceKind {
    name: "rating",
    key: "user",
    rare: false,
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
        role("key", Kind::Serial, false, &["id", "id_resena", "resena_id", "id_reseña", "review_id", "rating_id"]),
        DELETED,
        ACTIVE,
    ],
};

pub static FAVORITE: SourceKind = SourceKind {
    name: "favorite",
    key: "user",
    rare: false,
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
        DELETED,
        ACTIVE,
    ],
};

pub static ITEM: SourceKind = SourceKind {
    name: "item",
    key: "id",
    rare: false,
    tables: &["libro", "libros", "Libro", "book", "books", "item", "items"],
    roles: &[
        role("id", Kind::Id, true, &["id", "id_libro", "libro_id"]),
        role("category", Kind::Groups, false, CATEGORY_ID),
        role("author", Kind::Groups, false, AUTHOR_ID),
        role(
            "published",
            Kind::TimeOrYear,
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
        role("text", Kind::Texts, false, &[]),
        role("embedding", Kind::Embedding, false, &[]),
        DELETED,
        ACTIVE,
    ],
};

pub static USER: SourceKind = SourceKind {
    name: "user",
    key: "id",
    rare: false,
    tables: &["usuario", "usuarios", "Usuario", "user", "users"],
    roles: &[
        role("id", Kind::Id, true, &["id", "id_usuario", "usuario_id"]),
        role(
            "since",
            Kind::Time,
            false,
            &["fecha_registro", "fechaRegistro", "fecharegistro", "created_at", "createdAt", "createdat"],
        ),
        DELETED,
        ACTIVE,
    ],
};

/// Categories of items that have several: a table of pairs.
pub static CATEGORY: SourceKind = SourceKind {
    name: "category",
    key: "item",
    rare: true,
    tables: &[
        "libro_categoria",
        "libro_categorias",
        "libros_categorias",
        "categoria_libro",
        "categorias_libros",
        "LibroCategoria",
        "libro_categorias_categoria",
        "book_category",
        "book_categories",
        "books_categories",
        "category_books",
        "categories_books",
        "BookCategory",
        "book_categories_category",
        "item_category",
        "item_categories",
    ],
    roles: &[role("item", Kind::Id, true, ITEM_ID), role("category", Kind::Group, true, CATEGORY_ID), DELETED, ACTIVE],
};

/// Likewise their authors.
pub static AUTHOR: SourceKind = SourceKind {
    name: "author",
    key: "item",
    rare: true,
    tables: &[
        "libro_autor",
        "libro_autores",
        "libros_autores",
        "autor_libro",
        "autores_libros",
        "LibroAutor",
        "libro_autores_autor",
        "book_author",
        "book_authors",
        "books_authors",
        "author_books",
        "authors_books",
        "BookAuthor",
        "book_authors_author",
        "item_author",
        "item_authors",
    ],
    roles: &[role("item", Kind::Id, true, ITEM_ID), role("author", Kind::Group, true, AUTHOR_ID), DELETED, ACTIVE],
};

/// Anything else that users do with items, by type. No table is looked for, because nobody but the site knows what its types
/// weigh.
pub static EVENT: SourceKind = SourceKind {
    name: "event",
    key: "user",
    rare: true,
    tables: &[],
    roles: &[
        role("user", Kind::Id, true, USER_ID),
        role("item", Kind::Id, true, ITEM_ID),
        role("type", Kind::Type, true, &[]),
        role("at", Kind::Time, false, &[]),
        role("value", Kind::Number, false, &[]),
        DELETED,
        ACTIVE,
    ],
};

pub static ALL: [&SourceKind; 7] = [&RATING, &FAVORITE, &EVENT, &ITEM, &USER, &CATEGORY, &AUTHOR];
