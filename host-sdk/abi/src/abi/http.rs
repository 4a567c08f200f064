//! Routes, requests and responses.

use abi_stable::{
    StableAbi,
    std_types::{RStr, RString, RVec, Tuple2},
};

/// A method and a path that a plugin handles.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    id: u16,
    method: RStr<'static>,
    path: RStr<'static>,
}

impl Route {
    /// Creates a route, which requests name by `id`. `path` has its variables in braces. The host resolves
    /// `{session}`, and checks that the session is working, before it calls the plugin.
    #[must_use]
    pub const fn new(id: u16, method: &'static str, path: &'static str) -> Self {
        Self { id, method: RStr::from_str(method), path: RStr::from_str(path) }
    }

    /// The number by which [`Request::route`] names this route.
    #[must_use]
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// The HTTP method, in capitals.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method.as_str()
    }

    /// The path, its variables in braces.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.path.as_str()
    }
}

type Pairs = RVec<Tuple2<RString, RString>>;

/// An HTTP request to one of the plugin's routes.
#[repr(C)]
#[derive(StableAbi, Clone, PartialEq, Eq, Debug)]
pub struct Request {
    route: u16,
    session: RString,
    params: RVec<RString>,
    query: Pairs,
    headers: Pairs,
    body: RVec<u8>,
}

impl Request {
    /// Creates a request to `route` for `session`, otherwise empty.
    #[must_use]
    pub fn new(route: u16, session: impl Into<String>) -> Self {
        Self {
            route,
            session: session.into().into(),
            params: RVec::new(),
            query: RVec::new(),
            headers: RVec::new(),
            body: RVec::new(),
        }
    }

    /// Adds the next path variable, decoded.
    #[must_use]
    pub fn with_param(mut self, value: impl Into<String>) -> Self {
        self.params.push(value.into().into());
        self
    }

    /// Adds a query parameter, decoded.
    #[must_use]
    pub fn with_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push(Tuple2(name.into().into(), value.into().into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Tuple2(name.into().into(), value.into().into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into().into();
        self
    }

    /// The [`Route::id`] of the requested route.
    #[must_use]
    pub fn route(&self) -> u16 {
        self.route
    }

    /// The session's name; empty where the route has no `{session}`.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The path's variables without `{session}`, in the path's order, percent-decoded.
    #[must_use]
    pub fn param(&self, index: usize) -> Option<&str> {
        self.params.get(index).map(RString::as_str)
    }

    /// The first query parameter called `name`, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// The first header called `name`, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).next()
    }

    /// The values of all headers called `name`, in any case, in order.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |pair| pair.0.eq_ignore_ascii_case(name));
        named.map(|pair| pair.1.as_str())
    }

    /// The body; empty if there was none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// The response to a [`Request`].
#[repr(C)]
#[derive(StableAbi, Clone, PartialEq, Eq, Debug)]
pub struct Response {
    status: u16,
    headers: Pairs,
    body: RVec<u8>,
}

impl Response {
    /// Creates a response with a status, otherwise empty.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: RVec::new(), body: RVec::new() }
    }

    /// Creates a response with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status)
            .with_header("content-type", "application/json; charset=utf-8")
            .with_body(body)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Tuple2(name.into().into(), value.into().into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into().into();
        self
    }

    /// The HTTP status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|pair| (pair.0.as_str(), pair.1.as_str()))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes the body, without copying it out of the other side's memory.
    #[must_use]
    pub fn into_body(self) -> OwnedBody {
        OwnedBody(self.body)
    }
}

/// A body in the memory of the side that wrote it.
#[derive(Debug)]
pub struct OwnedBody(RVec<u8>);

impl AsRef<[u8]> for OwnedBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
