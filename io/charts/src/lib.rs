//! The ChartRepo port: HTTP chart repositories.
