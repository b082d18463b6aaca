//! Taking a backup of a running service.

use std::io::{self, Write};

use serde_json::Value;

use super::{Service, ServiceError};

const CALL: &str = "GET /admin/backup";

impl Service {
    /// Writes a backup of all customers, as the service streams it.
    pub(in crate::cli) fn backup(&self, out: &mut dyn Write) -> Result<(), Box<dyn std::error::Error>> {
        let unreachable = |reason: String| ServiceError::Unreachable {
            address: self.address.clone(),
            reason,
        };
        let request = self.agent.get(format!("{}/admin/backup", self.address));
        // It takes as long as there is something to tell; the service gives up on who takes nothing.
        let mut request = request.config().timeout_global(None).build();
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        let mut response = request.call().map_err(|error| unreachable(error.to_string()))?;
        let (status, body) = (response.status(), response.body_mut());
        if !status.is_success() {
            let answer: Value = body.read_json().map_err(|_| self.foreign(CALL))?;
            return Ok(self.refuse_failure(CALL, status, &answer)?);
        }
        io::copy(&mut body.as_reader(), out)?;
        Ok(())
    }
}
