//! What kernels log arrives at `tracing`.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use mettle_gpu::Grid;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::common::{device, launch, pipeline};

/// Keeps the kernels' messages, each with its level and fields.
struct Kept(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "mettle::kernel"
    }
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn messages_arrive() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    // Workers are threads of their own. No other test listens.
    tracing::subscriber::set_global_default(Kept(kept.clone())).unwrap();
    let device = device();
    let mut x = vec![0.0f32; 300];
    (x[0], x[7], x[255]) = (4.5, -1.5, -2.0);
    let x = device.upload(&x).unwrap();
    let messages = pipeline(&device, "logging", "messages");
    launch(
        &device,
        &messages,
        Grid::elements(300).threads(64),
        |arguments| {
            arguments.read(0, "x", &x);
        },
    )
    .unwrap();
    let mut kept = kept.lock().unwrap().clone();
    kept.sort();
    let own = "subsystem=com.example.kernels category=tests";
    let expected = [
        format!("DEBUG message=ulong 1099511627776, bool 1, bytes 1,255 {own}"),
        "ERROR message=plain 100%".to_owned(),
        "ERROR message=thread 255: -2.000000 is negative".to_owned(),
        "ERROR message=thread 7: -1.500000 is negative".to_owned(),
        format!(
            "INFO message=half 0.25, char -3, vector 1.000000,2.000000,3.000000,4.500000 {own}"
        ),
    ];
    assert_eq!(kept, expected);
}
