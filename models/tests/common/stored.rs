//! What must hold of every model that is stored.

use std::sync::Arc;

use reco_models::{Bytes, Model, NONE, Target, Trained, decode, encode, image, open_image};

/// Stored and mapped, a model is the same to the byte and scores the same, the first 300 items and what `more` gives; cut off
/// it is refused.
pub fn stored_mapped_and_refused(trained: &Trained, more: impl Fn(&Model) -> Vec<Target>) {
    let bytes = encode(&trained.model).unwrap();
    let back = decode(&(Arc::new(bytes.clone()) as Bytes)).unwrap();
    assert_eq!(back.items(), trained.model.items());
    let mapped: Bytes = Arc::new(image(&back, 7, || ()).unwrap());
    let opened = open_image(&mapped, 7).unwrap();
    assert_eq!(encode(&opened).unwrap(), bytes);
    let scores = |model: &Model| -> Vec<f32> {
        let targets: Vec<Target> = (0..300).map(Target::Known).chain(more(model)).collect();
        let user = model.user(trained.data.events.row(3), NONE, None).unwrap();
        model.score(&user, &targets).iter().map(|scored| scored.score).collect()
    };
    assert_eq!(scores(&opened), scores(&trained.model));
    for cut in (0..bytes.len()).step_by(997) {
        assert!(decode(&(Arc::new(bytes[..cut].to_vec()) as Bytes)).is_err());
    }
}
