// An expression that the examples in the documentation include: a run on 40 users who like two thirds of 20 items.
{
    let mut sources = reco_models::Sources::default();
    for user in 0..40 {
        for item in (0..20).filter(|item| (user + item) % 3 > 0) {
            sources.favorites.user.push(user);
            sources.favorites.item.push(item);
            sources.favorites.at.push(reco_models::NONE);
        }
    }
    let params = reco_models::Params::from_json(&serde_json::json!({"factors": 4}))?.validate()?;
    reco_models::train(sources, &params, None, 1, &reco_models::Control::default())?
}
