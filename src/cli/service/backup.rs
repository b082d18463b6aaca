//! Taking a backup of a running service.

use std::io::{self, Write};

use super::{Call, Service, ServiceError, read_whole};

impl Service {
    /// Writes a backup of all customers, as the service streams it.
    pub(in crate::cli) fn backup(&self, out: &mut dyn Write) -> Result<(), Box<dyn std::error::Error>> {
        let call = Call::get("/admin/backup");
        let unreachable = |reason: String| ServiceError::Unreachable {
            address: self.address.to_string(),
            reason,
        };
        let request = self.agent.get(format!("{}{}", self.address, call.target()));
        // It takes as long as there is something to tell; the service gives up on who takes nothing.
        let mut request = request.config().timeout_global(None).build();
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        let mut response = request.call().map_err(|error| unreachable(error.to_string()))?;
        let status = response.status();
        if !status.is_success() {
            let body = read_whole(&mut response).map_err(|error| unreachable(error.to_string()))?;
            return Err(self.refused(&call, status, &body).into());
        }
        io::copy(&mut response.body_mut().as_reader(), out)?;
        Ok(())
    }
}
