//! Routes as values: the router is built from the list that the tests of access walk.

use axum::Router;
use axum::routing::MethodRouter;
use http::Method;

use super::App;

/// One operation of the API.
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with `{name}` for what varies.
    pub path: &'static str,
    /// Whom it answers.
    pub needs: Needs,
    /// What does it.
    pub handler: MethodRouter<App>,
}

/// Whom an operation answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody.
    Nothing,
    /// A device's token.
    Device,
    /// An admin token.
    Admin,
    /// Either token.
    Token,
    /// An admin token, or a connection from this machine.
    AdminOrLoopback,
}

impl Route {
    /// An operation.
    pub const fn new(method: Method, path: &'static str, needs: Needs, handler: MethodRouter<App>) -> Self {
        Self { method, path, needs, handler }
    }

    /// The router of a list.
    pub fn router(routes: Vec<Self>) -> Router<App> {
        routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
    }
}
