//! Items of several categories and authors: what costs nothing where there are none, and counts where there are.

mod common;
#[path = "common/stored.rs"]
mod stored;

use common::sources;
use reco_models::{
    Control, ItemInfo, Kinship, Links, NONE, Params, ServedModel, Sources, Target, Trained, encode, train,
};
use serde_json::json;
use stored::stored_mapped_and_refused;

fn run(sources: Sources) -> Trained {
    let params = Params::from_json(&json!({"factors": 16})).unwrap().validate().unwrap();
    train(sources, &params, None, 2, &Control::default()).unwrap()
}

/// Every third book has a second category, and every fifth a second author.
fn tagged() -> Sources {
    let mut sources = sources(600, 300, 15_000);
    let catalog = &mut sources.catalog;
    for (i, id) in catalog.id.iter().enumerate() {
        if i % 3 == 0 {
            catalog.more_categories.item.push(*id);
            catalog.more_categories.key.push(1000 + catalog.category[i]);
        }
        if i % 5 == 0 {
            catalog.more_authors.item.push(*id);
            catalog.more_authors.key.push(catalog.author[(i + 1) % 300]);
        }
    }
    sources
}

#[test]
fn links_that_say_what_the_column_says_give_the_same_bytes() {
    let plain = sources(600, 300, 15_000);
    let mut linked = plain.clone();
    let catalog = &mut linked.catalog;
    let links = |keys: &mut Vec<i64>| Links { item: catalog.id.clone(), key: std::mem::replace(keys, vec![NONE; 300]) };
    catalog.more_categories = links(&mut catalog.category);
    let mut twice = links(&mut catalog.author);
    twice.item.extend_from_within(..);
    twice.key.extend_from_within(..);
    catalog.more_authors = twice;
    assert_eq!(encode(&run(linked).model).unwrap(), encode(&run(plain).model).unwrap());
}

#[test]
fn a_model_with_several_categories_is_stored_mapped_and_refused_where_damaged() {
    stored_mapped_and_refused(&run(tagged()), |_| Vec::new());
}

#[test]
fn each_category_and_author_of_an_item_leads_to_it() {
    let model = ServedModel::from(run(tagged()).model);
    let items = model.items();
    let kin = |info: ItemInfo| model.similar(&Target::Newcomer(info.clone()), &info, 300, || ()).unwrap();
    let second = items.category.of(0).nth(1).unwrap();
    assert!(second > 1000);
    let by_second = kin(ItemInfo::new([second], [], NONE));
    assert!(by_second.iter().any(|similar| similar.item == 0));
    assert!(
        by_second
            .iter()
            .all(|s| s.kinship == Kinship::Category && items.category.of(s.item as usize).any(|c| c == second))
    );
    let author = items.author.of(0).last().unwrap();
    assert!(kin(ItemInfo::new([], [author], NONE)).iter().any(|similar| similar.item == 0));
    // Of an item that shares both only one place.
    let both = kin(items.info(0));
    let mut distinct: Vec<u32> = both.iter().map(|similar| similar.item).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), both.len());
}
