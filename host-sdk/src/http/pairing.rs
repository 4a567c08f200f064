//! WAHA's paths that link a session to an account: `/api/{session}/auth/qr` and `request-code`.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Json,
    extract::{Query, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use host_abi::PluginError;
use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::{Map, Value, json};

use super::{body::read_object, error::HttpError, extract::Variables, gate};
use crate::parts::Parts;

/// How many pixels wide a module of a QR code is, and how many modules its quiet zone is.
const SCALE: i32 = 8;
const QUIET: i32 = 4;

pub(super) fn routes(parts: &Arc<Parts>) -> Vec<(&'static str, MethodRouter)> {
    let (qr, code) = (parts.clone(), parts.clone());
    vec![
        (
            "/api/{session}/auth/qr",
            get(
                async move |Variables(name): Variables<String>,
                            Query(query): Query<Map<String, Value>>,
                            headers: HeaderMap| {
                    show_qr(&qr, &name, &query, &headers).await
                },
            ),
        ),
        (
            "/api/{session}/auth/request-code",
            post(async move |Variables(name): Variables<String>, request: Request| {
                request_code(&code, &name, request).await
            }),
        ),
    ]
}

async fn show_qr(
    parts: &Parts,
    name: &str,
    query: &Map<String, Value>,
    headers: &HeaderMap,
) -> Result<Response, HttpError> {
    let raw = match query.get("format").and_then(Value::as_str) {
        None | Some("" | "image") => false,
        Some("raw") => true,
        Some(other) => {
            let message = format!("format: expected image or raw, not {other:?}");
            return Err(HttpError::bad_request(message));
        }
    };
    let session = gate::unpaired(parts, name).await?;
    let text = session.engine().qr(name).await.map_err(PluginError::from)?;
    if raw {
        return Ok(Json(json!({ "value": text })).into_response());
    }
    let image = image(&text).map_err(|error| {
        let message = format!("the engine's QR code cannot be drawn: {error}");
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("application/json")) {
        let data = BASE64_STANDARD.encode(image);
        return Ok(Json(json!({ "mimetype": "image/png", "data": data })).into_response());
    }
    Ok(([(header::CONTENT_TYPE, "image/png")], image).into_response())
}

/// A QR code as a PNG of one bit per pixel, 0 for black.
fn image(text: &str) -> Result<Vec<u8>, Cow<'static, str>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).map_err(|error| error.to_string())?;
    let size = (code.size() + 2 * QUIET) * SCALE;
    let is_white = |x: i32, y: i32| !code.get_module(x / SCALE - QUIET, y / SCALE - QUIET);
    let rows = (0..size).flat_map(|y| {
        (0..size)
            .step_by(8)
            .map(move |x| (0..8).fold(0, |byte, bit| byte << 1 | u8::from(is_white(x + bit, y))))
    });
    let rows: Vec<u8> = rows.collect();
    let mut image = Vec::new();
    let size = size.unsigned_abs();
    let mut encoder = png::Encoder::new(&mut image, size, size);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&rows));
    written.map_err(|error| error.to_string())?;
    Ok(image)
}

async fn request_code(parts: &Parts, name: &str, request: Request) -> Result<Response, HttpError> {
    let body = read_object(request).await?;
    let number = body.get("phoneNumber").and_then(Value::as_str).unwrap_or_default();
    let number: String = number.chars().filter(|c| !matches!(c, '+' | ' ' | '-')).collect();
    let is_number = (5..=20).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit());
    if !is_number {
        let message = "phoneNumber: expected an international number, such as \"12132132130\"";
        return Err(HttpError::bad_request(message));
    }
    let session = gate::unpaired(parts, name).await?;
    let code = session.engine().pairing_code(name, &number).await.map_err(PluginError::from)?;
    Ok((StatusCode::CREATED, Json(json!({ "code": code }))).into_response())
}

#[cfg(test)]
mod tests {
    use super::image;

    #[test]
    fn a_code_is_drawn_with_its_quiet_zone_and_finder_patterns() {
        let image = image("2@abc").unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(image)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (29 * 8, 29 * 8));
        let module = |x: usize, y: usize| pixels[y * 8 * info.line_size + x];
        assert_eq!((module(0, 0), module(4, 4), module(5, 5), module(6, 6)), (255, 0, 255, 0));
    }
}
