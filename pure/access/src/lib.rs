//! Projects, roles and policies: who may do what, and what an application may touch.
