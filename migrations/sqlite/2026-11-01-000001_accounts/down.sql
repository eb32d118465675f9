DROP TABLE session;
DROP TABLE account_role;
DROP TABLE account;
DROP TABLE org;
