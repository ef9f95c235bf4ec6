BEGIN TRANSACTION;
CREATE TABLE accounts (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	policy_group VARCHAR NOT NULL, 
	administrator BOOLEAN NOT NULL, 
	suspended BOOLEAN NOT NULL, 
	factor_required BOOLEAN NOT NULL, 
	created_at FLOAT NOT NULL, 
	mac_key VARCHAR NOT NULL, 
	mac BLOB NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "accounts" VALUES('rfjyy9nk4iyg','ann@example.org','person','',0,0,0,1795521600.0,'g1-qb34',X'0C2FA7826D23B38A016FB2B0E7211FDB2671B3FC00FD6C83A3555EA5448B70D9');
INSERT INTO "accounts" VALUES('gnumudygfu3h','bob@example.org','person','',0,1,0,1795521600.0,'g1-qb34',X'AC557AD5803507FBA373CF269D072FE19E1CC67B9246AFE3F0A724065A07F62F');
INSERT INTO "accounts" VALUES('fjs76qzn2wdj','carol@example.org','person','staff',1,0,0,1795521600.0,'g1-qb34',X'88A7C1F4CDBF5180B36D1D68BF5A23C8CBC15D92D21F8413624ACB7E6892F6B9');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE app_passwords (
	id VARCHAR NOT NULL, 
	account_id VARCHAR NOT NULL, 
	label VARCHAR NOT NULL, 
	protocols VARCHAR NOT NULL, 
	networks VARCHAR NOT NULL, 
	created_at FLOAT NOT NULL, 
	expires_at FLOAT, 
	idle FLOAT, 
	revoked_at FLOAT, 
	issued_by VARCHAR NOT NULL, 
	seen_by_operator BOOLEAN NOT NULL, 
	hash_key VARCHAR NOT NULL, 
	hash BLOB NOT NULL, 
	mac_key VARCHAR NOT NULL, 
	mac BLOB NOT NULL, 
	last_used_at FLOAT, 
	last_used_from VARCHAR DEFAULT '' NOT NULL, 
	last_used_protocol VARCHAR DEFAULT '' NOT NULL, 
	last_client VARCHAR DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE, 
	UNIQUE (hash)
);
INSERT INTO "app_passwords" VALUES('aaaaaaaaaaaa','rfjyy9nk4iyg','laptop','imap','',1795521600.0,NULL,NULL,NULL,'operator:root',0,'g1-qb34',X'DFDCD9A11394B474F66BD1E7520CD356010D14D83D7DCCE109BECCF3B25F049D','g1-qb34',X'2F0BC6A5F5F2C45836D2F243E2C6BF88A9B2ED0EA56AA125DF89A5C75E4FEFD6',NULL,'','','');
INSERT INTO "app_passwords" VALUES('bbbbbbbbbbbb','rfjyy9nk4iyg','laptop','imap','192.0.2.0/24',1795521600.0,1795608000.0,3600.0,NULL,'operator:root',1,'g1-qb34',X'B9F20F486AA1EFDCA58EA81056A6465BFE92DCAF724CD51DF0700E1073142D6B','g1-qb34',X'0B9223B4EAFAFACFAEB0EC406DCEA5FBD82DCA9CBF5BFD213FA1FFF8F2B7E3FB',NULL,'','','');
INSERT INTO "app_passwords" VALUES('cccccccccccc','rfjyy9nk4iyg','laptop','imap','',1795521600.0,NULL,NULL,1795521600.0,'operator:root',0,'g1-qb34',X'5A0D214C463997BC8D8A7C2387CA6197C796B4985F0927E2E869617CD63D3D9A','g1-qb34',X'7D19B259E7AD18ACBEB19C74EA623C95D29B336F66F1F2EF14AE11E02571B123',NULL,'','','');
INSERT INTO "app_passwords" VALUES('dddddddddddd','gnumudygfu3h','laptop','imap','',1795521600.0,NULL,NULL,NULL,'operator:root',0,'g1-qb34',X'0FA864CC57CEABE56E0B16B52C1F019E14F53AE23987D1B119036FB24F1AFCA4','g1-qb34',X'B6BCB0F333AD6C2E8194405275EEC7A6D989A704BEDC8F34F7CC4963A3A06F89',NULL,'','','');
CREATE TABLE audit (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	event VARCHAR NOT NULL, 
	account VARCHAR NOT NULL, 
	actor VARCHAR NOT NULL, 
	address VARCHAR NOT NULL, 
	port INTEGER NOT NULL, 
	network VARCHAR NOT NULL, 
	protocol VARCHAR NOT NULL, 
	mechanism VARCHAR NOT NULL, 
	factor VARCHAR NOT NULL, 
	credential VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	client VARCHAR NOT NULL, 
	detail VARCHAR NOT NULL, 
	repeats INTEGER NOT NULL, 
	last_at FLOAT NOT NULL
);
INSERT INTO "audit" VALUES(1,1795521600.0,'store-created','','system','',0,'','','','','','','','','schema 0001',0,1795521600.0);
INSERT INTO "audit" VALUES(2,1795521600.0,'account-added','ann@example.org','operator:root','',0,'','','','','','','','','group=- administrator=no',0,1795521600.0);
INSERT INTO "audit" VALUES(3,1795521600.0,'account-added','bob@example.org','operator:root','',0,'','','','','','','','','group=- administrator=no',0,1795521600.0);
INSERT INTO "audit" VALUES(4,1795521600.0,'account-added','carol@example.org','operator:root','',0,'','','','','','','','','group=staff administrator=yes',0,1795521600.0);
INSERT INTO "audit" VALUES(5,1795521600.0,'totp-enrolled','ann@example.org','operator:root','',0,'','','','','7xbss2k2sjt3','','','','phone',0,1795521600.0);
INSERT INTO "audit" VALUES(6,1795521600.0,'totp-confirmed','ann@example.org','operator:root','',0,'','','','','7xbss2k2sjt3','','','','',0,1795521600.0);
INSERT INTO "audit" VALUES(7,1795521600.0,'totp-enrolled','ann@example.org','operator:root','',0,'','','','','zjkhfwpmq7w6','','','','tablet',0,1795521600.0);
INSERT INTO "audit" VALUES(8,1795521600.0,'app-password-issued','ann@example.org','operator:root','',0,'','','','','aaaaaaaaaaaa','','','','laptop for imap',0,1795521600.0);
INSERT INTO "audit" VALUES(9,1795521600.0,'app-password-issued','ann@example.org','operator:root','',0,'','','','','bbbbbbbbbbbb','','','','laptop for imap',0,1795521600.0);
INSERT INTO "audit" VALUES(10,1795521600.0,'app-password-issued','ann@example.org','operator:root','',0,'','','','','cccccccccccc','','','','laptop for imap',0,1795521600.0);
INSERT INTO "audit" VALUES(11,1795521600.0,'app-password-revoked','ann@example.org','operator:root','',0,'','','','','cccccccccccc','','','','laptop',0,1795521600.0);
INSERT INTO "audit" VALUES(12,1795521600.0,'app-password-issued','bob@example.org','operator:root','',0,'','','','','dddddddddddd','','','','laptop for imap',0,1795521600.0);
INSERT INTO "audit" VALUES(13,1795521600.0,'account-suspended','bob@example.org','operator:root','',0,'','','','','','','','','',0,1795521600.0);
CREATE TABLE grants (
	id VARCHAR NOT NULL, 
	account_id VARCHAR NOT NULL, 
	device_id VARCHAR NOT NULL, 
	network VARCHAR NOT NULL, 
	string_key VARCHAR NOT NULL, 
	string BLOB, 
	opened_at FLOAT NOT NULL, 
	until FLOAT NOT NULL, 
	single BOOLEAN NOT NULL, 
	ended_at FLOAT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE
);
CREATE TABLE probes (
	protocol VARCHAR NOT NULL, 
	keywords VARCHAR NOT NULL, 
	at FLOAT, 
	error VARCHAR NOT NULL, 
	claimed_at FLOAT NOT NULL, 
	PRIMARY KEY (protocol)
);
CREATE TABLE revocations (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	kind VARCHAR NOT NULL, 
	target VARCHAR NOT NULL
);
INSERT INTO "revocations" VALUES(1,1795521600.0,'app-password','cccccccccccc');
INSERT INTO "revocations" VALUES(2,1795521600.0,'account','gnumudygfu3h');
CREATE TABLE sessions (
	id VARCHAR NOT NULL, 
	account VARCHAR NOT NULL, 
	protocol VARCHAR NOT NULL, 
	address VARCHAR NOT NULL, 
	port INTEGER NOT NULL, 
	pid INTEGER NOT NULL, 
	factor VARCHAR NOT NULL, 
	credential VARCHAR NOT NULL, 
	device VARCHAR NOT NULL, 
	grant_id VARCHAR NOT NULL, 
	client VARCHAR NOT NULL, 
	started_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE throttle_marks (
	bucket BLOB NOT NULL, 
	mark BLOB NOT NULL, 
	owner BLOB NOT NULL, 
	pending BOOLEAN NOT NULL, 
	counted_at FLOAT NOT NULL, 
	asked_at FLOAT NOT NULL, 
	seen_at FLOAT NOT NULL, 
	PRIMARY KEY (bucket, mark)
)
 WITHOUT ROWID

;
CREATE TABLE totp_devices (
	id VARCHAR NOT NULL, 
	account_id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	seal_key VARCHAR NOT NULL, 
	sealed_seed BLOB NOT NULL, 
	digits INTEGER NOT NULL, 
	period INTEGER NOT NULL, 
	algorithm VARCHAR NOT NULL, 
	last_step INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	confirmed_at FLOAT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE
);
INSERT INTO "totp_devices" VALUES('7xbss2k2sjt3','rfjyy9nk4iyg','phone','g1-qb34',X'172532E5219DC2582089E3AA5EB7D5B35767EB6B09DA3985C25073B6366D4C41BCC8405B76866AD14E412738F595A70FDC3BD4B4FBDA7A71F95BF599',6,30,'SHA1',100,1795521600.0,1795521600.0);
INSERT INTO "totp_devices" VALUES('zjkhfwpmq7w6','rfjyy9nk4iyg','tablet','g1-qb34',X'64F956A9A9C7E273C930967544ED9548BCE817EF5B03BE36A5A72E9E3FA9A827225361EEB083A32F4E8F08CAA0C722B5DF155908E9D66B9075701057',8,30,'SHA256',0,1795521600.0,NULL);
CREATE INDEX ix_totp_devices_account_id ON totp_devices (account_id);
CREATE INDEX ix_app_passwords_account_id ON app_passwords (account_id);
CREATE INDEX ix_grants_account_id ON grants (account_id);
CREATE INDEX ix_revocations_target ON revocations (target, kind);
CREATE INDEX ix_sessions_account ON sessions (account);
CREATE INDEX ix_audit_account ON audit (account, at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',13);
INSERT INTO "sqlite_sequence" VALUES('revocations',2);
COMMIT;
