use crate::*;
use std::collections::HashSet;

const SIZE: Size = Size { users: 1_000, books: 600, interactions: 20_000 };

fn sql(size: &Size, seed: u64) -> Vec<u8> {
    let mut script = Vec::new();
    generate(size, seed).write_sql(&mut script).unwrap();
    script
}

/// User, book and moment of every review and favourite.
fn readings(library: &Library) -> Vec<(i64, i64, i64)> {
    let reviews = library.reviews.iter();
    let favorites = library.favorites.iter();
    reviews
        .map(|row| (row.user_id, row.book_id, row.reviewed))
        .chain(favorites.map(|row| (row.user_id, row.book_id, row.added)))
        .collect()
}

fn index(id: i64) -> usize {
    id as usize - 1
}

fn descending(mut counts: Vec<usize>) -> Vec<usize> {
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts
}

#[test]
fn the_seed_decides_every_byte() {
    assert_eq!(sql(&SIZE, 1), sql(&SIZE, 1));
    assert_ne!(sql(&SIZE, 1), sql(&SIZE, 2));
}

/// FNV-1a of the script. A change here changes every measured number: update it on purpose only.
#[test]
fn the_bytes_are_the_same_on_every_platform() {
    let hash = sql(&SIZE, 42)
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    assert_eq!(hash, 0x8410_7f51_a49a_d266, "the hash is {hash:#018x}");
}

#[test]
fn the_library_has_the_requested_size() {
    let library = generate(&SIZE, 1);
    assert_eq!(library.users.len(), SIZE.users);
    assert_eq!(library.books.len(), SIZE.books);
    assert_eq!(library.categories.len(), 40);
    let rows = library.reviews.len() + library.favorites.len();
    assert!(rows.abs_diff(SIZE.interactions) < SIZE.interactions / 20, "{rows}");
    let favorites = library.favorites.len() as f64 / rows as f64;
    assert!((0.2..0.3).contains(&favorites), "{favorites}");
}

#[test]
fn the_smallest_sizes_work() {
    for (users, books) in [(0, 0), (0, 10), (10, 0), (1, 1), (1, 100), (100, 1)] {
        let size = Size { users, books, interactions: users * books };
        let library = generate(&size, 1);
        assert_eq!((library.users.len(), library.books.len()), (users, books));
    }
}

#[test]
fn nobody_reviews_or_likes_a_book_twice() {
    let library = generate(&SIZE, 1);
    let reviews: HashSet<_> = library.reviews.iter().map(|row| (row.user_id, row.book_id)).collect();
    let favorites: HashSet<_> = library.favorites.iter().map(|row| (row.user_id, row.book_id)).collect();
    assert_eq!(reviews.len(), library.reviews.len());
    assert_eq!(favorites.len(), library.favorites.len());
    assert!(reviews.intersection(&favorites).count() > favorites.len() / 3);
}

#[test]
fn every_reference_exists() {
    let library = generate(&SIZE, 1);
    let ids = |len: usize| 1..=len as i64;
    assert!(library.users.iter().map(|row| row.id).eq(ids(SIZE.users)));
    assert!(library.books.iter().map(|row| row.id).eq(ids(SIZE.books)));
    assert!(library.authors.iter().map(|row| row.id).eq(ids(library.authors.len())));
    for book in &library.books {
        assert!(ids(library.categories.len()).contains(&book.category_id));
        assert!(ids(library.authors.len()).contains(&book.author_id));
    }
    for (user, book, _) in readings(&library) {
        assert!(ids(SIZE.users).contains(&user) && ids(SIZE.books).contains(&book));
    }
}

#[test]
fn users_register_before_they_read() {
    let library = generate(&SIZE, 1);
    let window = FIRST_DAY * SECONDS_PER_DAY..LAST_DAY * SECONDS_PER_DAY;
    let readings = readings(&library);
    let mut early = 0;
    for &(user, book, when) in &readings {
        assert!(window.contains(&when) && library.users[index(user)].registered <= when);
        early += usize::from(library.books[index(book)].published * SECONDS_PER_DAY > when);
    }
    assert!(early < readings.len() / 50, "{early}");
    for book in &library.books {
        assert!((LAST_DAY - 31 * 365..LAST_DAY).contains(&book.published));
    }
}

#[test]
fn few_books_and_few_users_have_most_of_the_readings() {
    let library = generate(&SIZE, 1);
    let mut books = vec![0; SIZE.books];
    let mut users = vec![0; SIZE.users];
    for (user, book, _) in readings(&library) {
        books[index(book)] += 1;
        users[index(user)] += 1;
    }
    let (books, users) = (descending(books), descending(users));
    let all: usize = books.iter().sum();
    let head = |counts: &[usize], part: usize| counts[..counts.len() / part].iter().sum::<usize>();
    assert!(head(&books, 100) > all / 20);
    assert!(head(&books, 5) > all * 2 / 5);
    assert!(head(&users, 5) > all / 2);
    let median = users[SIZE.users / 2];
    assert!((6..15).contains(&median), "{median}");
}

#[test]
fn most_reviews_give_many_stars() {
    let library = generate(&SIZE, 1);
    let mut counts = [0; 6];
    for review in &library.reviews {
        counts[usize::from(review.stars)] += 1;
    }
    assert_eq!(counts[0], 0);
    assert!(counts[1] > 0 && counts[1] < counts[2] && counts[2] < counts[3] && counts[3] < counts[4]);
    let sum: usize = counts.iter().enumerate().map(|(stars, count)| stars * count).sum();
    let mean = sum as f64 / library.reviews.len() as f64;
    assert!((3.7..4.0).contains(&mean), "{mean}");
}

/// Content can predict what a user reads only if the same category returns more often than by chance.
#[test]
fn users_return_to_their_categories() {
    let library = generate(&SIZE, 1);
    let category = |book: i64| library.books[index(book)].category_id;
    let mut by_user = readings(&library);
    by_user.sort_unstable();
    let same = |pair: &[(i64, i64, i64)]| category(pair[0].1) == category(pair[1].1) && pair[0].1 != pair[1].1;
    let within = by_user.windows(2).filter(|pair| pair[0].0 == pair[1].0 && same(pair)).count();
    by_user.sort_unstable_by_key(|&(user, book, when)| (when, user, book));
    let between = by_user.windows(2).filter(|pair| same(pair)).count();
    assert!(within > 2 * between, "{within} {between}");
}

#[test]
fn the_script_has_every_row() {
    let library = generate(&SIZE, 1);
    let script = String::from_utf8(sql(&SIZE, 1)).unwrap();
    let rows = |table: &str| {
        let start = script.find(&format!("\nCOPY {table} (")).unwrap() + 1;
        let block = &script[start..start + script[start..].find("\n\\.\n").unwrap()];
        block.lines().count() - 1
    };
    assert_eq!(rows("categoria"), library.categories.len());
    assert_eq!(rows("autor"), library.authors.len());
    assert_eq!(rows("usuario"), library.users.len());
    assert_eq!(rows("libro"), library.books.len());
    assert_eq!(rows("resena"), library.reviews.len());
    assert_eq!(rows("favorito"), library.favorites.len());
}

#[test]
fn what_is_hidden_is_why_users_read_and_like_what_they_do() {
    let library = generate(&SIZE, 1);
    assert_eq!(library.hidden_books.len(), SIZE.books);
    let readers: HashSet<_> = readings(&library).iter().map(|row| row.0).collect();
    let hidden: HashSet<_> = library.hidden_users.iter().map(|user| user.user_id).collect();
    assert!(
        readers.is_subset(&hidden) && readers.len() > hidden.len() * 9 / 10,
        "{} of {}",
        readers.len(),
        hidden.len()
    );

    let user = |id: i64| library.hidden_users.iter().find(|user| user.user_id == id).unwrap();
    let is_taste = |row: &&Review| user(row.user_id).tastes.contains(&library.hidden_books[index(row.book_id)].taste);
    let (own, other): (Vec<_>, Vec<_>) = library.reviews.iter().partition(is_taste);
    let mean = |rows: &[&Review]| rows.iter().map(|row| f64::from(row.stars)).sum::<f64>() / rows.len() as f64;
    assert!(own.len() > other.len(), "{} {}", own.len(), other.len());
    assert!(mean(&own) > mean(&other) + 0.4, "{} {}", mean(&own), mean(&other));
}
