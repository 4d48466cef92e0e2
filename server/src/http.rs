//! The HTTP API: enrolment, calls, records, administration, health and metrics.
//!
//! A file a noun: its handlers with what they take and what they answer. Every operation stands in [`routes`].

mod callbacks;
mod calls;
mod desk_phones;
mod device;
mod enrol;
mod health;
mod input;
mod numbers;
mod observe;
mod presence;
mod records;
mod trunks;
mod users;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, patch, post, put};
use http::Method;

use crate::app::App;
use crate::app::route::{Needs, Route};

/// Every operation of this API.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/health", Needs::Nothing, get(health::health)),
        Route::new(Method::GET, "/metrics", Needs::AdminOrLoopback, get(observe::metrics)),
        Route::new(Method::POST, "/v1/enrol", Needs::Nothing, post(enrol::enrol)),
        Route::new(Method::POST, "/v1/enrolment-codes", Needs::Admin, post(enrol::new_code)),
        Route::new(Method::PUT, "/v1/device/push", Needs::Device, put(device::replace_push)),
        Route::new(Method::GET, "/v1/devices", Needs::Admin, get(device::list)),
        Route::new(Method::POST, "/v1/devices", Needs::Admin, post(desk_phones::create)),
        Route::new(Method::DELETE, "/v1/devices/{id}", Needs::Admin, delete(desk_phones::revoke)),
        Route::new(Method::GET, "/v1/users", Needs::Admin, get(users::list)),
        Route::new(Method::POST, "/v1/users", Needs::Admin, post(users::create)),
        Route::new(Method::GET, "/v1/users/{id}", Needs::Admin, get(users::one)),
        Route::new(Method::PATCH, "/v1/users/{id}", Needs::Admin, patch(users::edit)),
        Route::new(Method::GET, "/v1/users/{id}/presence", Needs::Token, get(presence::one)),
        Route::new(Method::PUT, "/v1/users/{id}/presence", Needs::Token, put(presence::replace)),
        Route::new(Method::POST, "/v1/numbers", Needs::Admin, post(numbers::create)),
        Route::new(Method::GET, "/v1/trunks", Needs::Admin, get(trunks::list)),
        Route::new(Method::POST, "/v1/trunks", Needs::Admin, post(trunks::create)),
        Route::new(Method::GET, "/v1/trunks/{id}", Needs::Admin, get(trunks::one)),
        Route::new(Method::PATCH, "/v1/trunks/{id}", Needs::Admin, patch(trunks::edit)),
        Route::new(Method::DELETE, "/v1/trunks/{id}", Needs::Admin, delete(trunks::delete)),
        Route::new(Method::GET, "/v1/records", Needs::Token, get(records::list)),
        Route::new(Method::POST, "/v1/records", Needs::Token, post(records::create)),
        Route::new(Method::GET, "/v1/records/{id}", Needs::Token, get(records::one)),
        Route::new(Method::PATCH, "/v1/records/{id}", Needs::Token, patch(records::edit)),
        Route::new(Method::GET, "/v1/calls", Needs::Token, get(calls::list)),
        Route::new(Method::POST, "/v1/calls", Needs::Token, post(callbacks::create)),
        Route::new(Method::GET, "/v1/calls/{id}", Needs::Token, get(calls::one)),
        Route::new(Method::DELETE, "/v1/calls/{id}", Needs::Token, delete(callbacks::end)),
        Route::new(Method::GET, "/v1/calls/{id}/timeline", Needs::Token, get(calls::timeline)),
        Route::new(Method::GET, "/v1/calls/{id}/state", Needs::Device, get(calls::state)),
    ]
}

/// The API's router; a body over `body_bytes` is refused.
pub fn router(body_bytes: usize) -> Router<App> {
    Route::router(routes()).layer(DefaultBodyLimit::max(body_bytes))
}
