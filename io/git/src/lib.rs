//! The GitRemote port: bare mirrors fetched in process, files read from the object database.
