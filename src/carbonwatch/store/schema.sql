-- Version 3. A run is written while it goes on: entries are folded by task, domain, intensity and UTC hour and keep
-- their order by rowid, samples are the time series (thinned as they grow old), totals stand in the run's row for lists,
-- NULL where they are not known: what is filtered, sorted and summed there lies in runs_listed, so that 100,000 runs need
-- not be read for it.
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, scope TEXT NOT NULL, state TEXT NOT NULL,
  started_ns INTEGER NOT NULL, duration_s REAL NOT NULL,
  place TEXT NOT NULL, facts TEXT NOT NULL, notes TEXT NOT NULL,
  overhead_s REAL NOT NULL, pue REAL NOT NULL, wue_l_per_kwh REAL NOT NULL,
  host TEXT NOT NULL, boot_id TEXT NOT NULL, pid INTEGER NOT NULL, pid_started TEXT NOT NULL,
  energy_j REAL, emissions_g REAL, measured REAL,
  country TEXT, tags TEXT NOT NULL DEFAULT '[]', words TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_listed ON runs (
  started_ns, project, state, duration_s, energy_j, emissions_g, measured, country, tags, words
);
CREATE INDEX IF NOT EXISTS runs_by_project ON runs (project, started_ns);
CREATE INDEX IF NOT EXISTS runs_by_state ON runs (state);
CREATE TABLE IF NOT EXISTS domains (key INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS intensities (key INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS entries (
  run TEXT NOT NULL, task TEXT NOT NULL, domain INTEGER NOT NULL, intensity INTEGER NOT NULL, slot INTEGER NOT NULL,
  start_ns INTEGER NOT NULL, duration_s REAL NOT NULL,
  machine_j REAL NOT NULL, idle_j REAL NOT NULL, own_j REAL NOT NULL, own_low_j REAL NOT NULL, own_high_j REAL NOT NULL,
  baseline_j REAL NOT NULL, own_s REAL, busy_s REAL, capacity_s REAL, reserved_s REAL, others_reserved_s REAL,
  PRIMARY KEY (run, task, domain, intensity, slot)
);
CREATE TABLE IF NOT EXISTS gaps (
  run TEXT NOT NULL, domain TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS gaps_by_run ON gaps (run);
CREATE TABLE IF NOT EXISTS samples (
  run TEXT NOT NULL, domain INTEGER NOT NULL, start_ns INTEGER NOT NULL, duration_s REAL NOT NULL,
  machine_j REAL NOT NULL, idle_j REAL NOT NULL, own_j REAL NOT NULL,
  PRIMARY KEY (run, domain, start_ns)
) WITHOUT ROWID;
