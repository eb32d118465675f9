//! `registrysync api-docs`: writes the reference pages of `api-docs/`.

use std::fs;
use std::path::Path;

use crate::api::namespaces;
use crate::surface::docs::{asciidoc, openapi};

use crate::cli::error::CliError;

pub(in crate::cli) fn run(directory: &Path) -> Result<u8, CliError> {
    fs::create_dir_all(directory)
        .map_err(|e| CliError::Input(format!("`{}`: {e}", directory.display())))?;
    let registry = namespaces::registry();
    let catalog = registry.catalog();
    let document = (openapi::NAME.to_owned(), openapi::page(catalog));
    for (name, text) in asciidoc::pages(catalog).into_iter().chain([document]) {
        let path = directory.join(name);
        fs::write(&path, text)
            .map_err(|e| CliError::Input(format!("`{}`: {e}", path.display())))?;
    }
    Ok(0)
}
