//! rust_socketio. It knows no recovery of its own: the cursor goes with every subscribe.

use rust_socketio::{ClientBuilder, Event, Payload, RawClient, TransportType};
use serde_json::{json, Value};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn values(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn subscribe(socket: &RawClient, cursor: &Arc<Mutex<Option<String>>>) {
    let mut request = json!({ "topics": [std::env::var("HUB_TOPIC").unwrap()] });
    if let Some(since) = cursor.lock().unwrap().as_ref() {
        request["since"] = json!(since);
    }
    let kept = cursor.clone();
    let subscribed = move |payload: Payload, _: RawClient| {
        let ack = &values(payload)[0][0];
        if ack["ok"] != json!(true) {
            return println!("refused {}", text(&ack["error"]["code"]));
        }
        kept.lock().unwrap().get_or_insert(text(&ack["cursor"]));
        match &ack["topics"][0]["recovered"] {
            Value::Null => println!("subscribed new"),
            recovered => println!("subscribed {recovered} {}", ack["topics"][0]["reason"]),
        }
    };
    if let Err(error) = socket.emit_with_ack("subscribe", request, Duration::from_secs(10), subscribed) {
        println!("lost {error}");
    }
}

fn main() {
    let cursor: Arc<Mutex<Option<String>>> = Arc::default();
    let [on_connect, on_message, on_position] = [cursor.clone(), cursor.clone(), cursor];
    let client = ClientBuilder::new(std::env::var("HUB_URL").unwrap())
        .transport_type(TransportType::Any)
        .reconnect(true)
        .reconnect_on_disconnect(true)
        .on(Event::Connect, move |_, socket| subscribe(&socket, &on_connect))
        .on(Event::Message, move |payload, _| {
            let event = values(payload);
            *on_message.lock().unwrap() = Some(text(&event[1]));
            println!("message {} {} {}", text(&event[0]["topic"]), event[0]["seq"], text(&event[1]));
        })
        .on("position", move |payload, _| {
            *on_position.lock().unwrap() = Some(text(&values(payload)[0]));
        })
        .on("welcome", |payload, _| println!("welcome {}", text(&values(payload)[0]["node"])))
        .on("gap", |payload, _| println!("gap {}", text(&values(payload)[0]["reason"])))
        .on(Event::Close, |_, _| println!("lost close"))
        .on(Event::Error, |payload, _| println!("lost {payload:?}"))
        .connect();
    match client {
        Ok(_client) => loop {
            std::thread::park();
        },
        Err(error) => println!("ended {error}"),
    }
}
