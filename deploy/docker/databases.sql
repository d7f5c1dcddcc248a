-- Run once, by a fresh PostgreSQL: a database for each service that keeps one.
CREATE DATABASE latchkey_auth;
CREATE DATABASE latchkey_webhook;
