"""State: one SQLite file. `schema.py` has the migrations, `rows.py` what a row of each table is, `store.py` opens and queries."""
