//! Which paths plugins may have, and which plugin has which.

use axum::routing::MethodFilter;
use indexmap::IndexMap;

use super::server;
use crate::plugins::loader::LoadedPlugin;

/// Why a plugin's route cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin:?}, route {method} {path}: {problem}")]
pub struct RouteError {
    /// The plugin's name.
    pub plugin: String,
    /// The route's method.
    pub method: String,
    /// The route's path.
    pub path: String,
    /// What is wrong with it.
    pub problem: RouteProblem,
}

/// What is wrong with a plugin's route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteProblem {
    /// The gateway does not route this method.
    #[error("invalid method; expected GET, POST, PUT, PATCH or DELETE")]
    Method,
    /// It is not an absolute path.
    #[error("invalid path; expected one that starts with / and has at least one segment")]
    Path,
    /// A segment is empty, or a variable is not a whole segment.
    #[error("invalid path; a variable must be a whole segment, as in /a/{{name}}/b")]
    Segment,
    /// The gateway, or a plugin before it, serves the path.
    #[error("already served by {0}")]
    Taken(String),
}

/// Checks that each route is valid and that no two plugins claim the same, before any plugin is created.
pub(crate) fn check(plugins: &[LoadedPlugin]) -> Result<(), RouteError> {
    let own: Vec<Place> = server::PATHS.iter().map(|path| Place::new(path)).collect();
    let mut taken: IndexMap<(&str, String), &str> = IndexMap::new();
    for plugin in plugins.iter().map(LoadedPlugin::info) {
        for route in &plugin.routes {
            let (method, path) = (route.method(), Place::new(route.path()).path);
            let problem = if filter(method).is_none() {
                Some(RouteProblem::Method)
            } else if let Some(problem) = problem_of(route.path()) {
                Some(problem)
            } else if own.iter().any(|place| place.path == path) {
                Some(RouteProblem::Taken("the gateway itself".to_owned()))
            } else {
                let first = taken.insert((method, path), &plugin.name);
                first.map(|first| RouteProblem::Taken(format!("plugin {first:?}")))
            };
            if let Some(problem) = problem {
                let (plugin, method) = (plugin.name.clone(), method.to_owned());
                return Err(RouteError { plugin, method, path: route.path().to_owned(), problem });
            }
        }
    }
    Ok(())
}

/// A path whose variables are named by position, so that paths that differ only in the names of their
/// variables are equal.
pub(super) struct Place {
    pub(super) path: String,
    /// Which variable is `{session}`.
    pub(super) session: Option<usize>,
}

impl Place {
    pub(super) fn new(path: &str) -> Self {
        let mut session = None;
        let mut variables = 0;
        let segments = path.trim_end_matches('/').split('/').map(|segment| {
            if !segment.starts_with('{') {
                return segment.to_owned();
            }
            if segment == "{session}" {
                session = Some(variables);
            }
            variables += 1;
            format!("{{v{}}}", variables - 1)
        });
        let path = segments.collect::<Vec<_>>().join("/");
        Self { path, session }
    }
}

fn problem_of(path: &str) -> Option<RouteProblem> {
    if !path.starts_with('/') || path == "/" {
        return Some(RouteProblem::Path);
    }
    let variable = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
    let bad = |segment: &str| {
        segment.is_empty() || (segment.contains(['{', '}', '*']) && !variable(segment))
    };
    let mut segments = path.trim_end_matches('/').split('/').skip(1);
    segments.any(bad).then_some(RouteProblem::Segment)
}

pub(super) fn filter(method: &str) -> Option<MethodFilter> {
    match method {
        "GET" => Some(MethodFilter::GET),
        "POST" => Some(MethodFilter::POST),
        "PUT" => Some(MethodFilter::PUT),
        "PATCH" => Some(MethodFilter::PATCH),
        "DELETE" => Some(MethodFilter::DELETE),
        _ => None,
    }
}
