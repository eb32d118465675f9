use super::account;
use crate::support::build::{ProjectBuilder, RunBuilder, StoreBuilder};
use crate::support::queue;
use diesel::connection::{Connection as _, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use registrysync::service::runs::settle::run_settle;
use registrysync::store::access::account::{account_by_login, account_list, role_list};
use registrysync::store::access::login_failure::{failure_add, failure_forget, failures_of};
use registrysync::store::access::org::org_list;
use registrysync::store::access::session::{session_delete_expired, session_find};
use registrysync::store::projects::index_lease::{index_lease_end, index_lease_take};
use registrysync::store::projects::item::{item_by_id, item_list};
use registrysync::store::projects::kept_action::{action_list, copy_count, copy_list, work_places};
use registrysync::store::projects::kept_plan::{
    plan_get, plan_ids, plan_list, plan_run, plans_remove,
};
use registrysync::store::projects::project::{
    Project, project_by_label, project_last_runs, project_list,
};
use registrysync::store::projects::synced_tag::{StorePair, synced_lookup, synced_lost};
use registrysync::store::runs::cancel::run_cancel;
use registrysync::store::runs::housekeeping::housekeeping_claim;
use registrysync::store::runs::lease::{
    claim_lock, leases_renew, part_claim, part_offer, part_release, parts_overdue,
};
use registrysync::store::runs::listing::{bunch_run_list, schedule_run_list};
use registrysync::store::runs::log::log_list;
use registrysync::store::runs::part::{
    Part, PartStatus, parts_held, parts_of, parts_running, parts_worked_on,
};
use registrysync::store::runs::progress::{log_append, part_end, part_progress};
use registrysync::store::runs::queue::{Barred, run_waiting, runs_open};
use registrysync::store::runs::result::{
    ResultStatus, result_list, result_put, results_failed, results_resume,
};
use registrysync::store::runs::run::{RunTotals, SYNC_BUNCH, SYNC_TASK, run_active, run_list};
use registrysync::store::runs::worker::{
    NewWorker, worker_forget, worker_list, worker_register, worker_seen,
};
use registrysync::store::schedules::fire::{
    Fire, Next, bunches_busy, due_hold, fires_insert, is_any_due, next_due, next_set,
    projects_busy, projects_hold,
};
use registrysync::store::schedules::schedule::{
    NewSchedule, ScheduleFilter, schedule_by_id, schedule_by_label, schedule_end, schedule_lines,
    schedule_list, schedule_put,
};
use registrysync::store::stores::image_store::{
    image_store_by_label, image_store_list, image_store_places,
};
use registrysync::store::trail::audit::{AuditFilter, audit_list};
use registrysync::store::trail::notification::{Channel, notification_claim};
use registrysync::store::trail::statistics::{Scope, counts, days, run_counts};
use registrysync::store::{DbConnection, Error, now};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, PartialEq, QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    required: bool,
}

const SQLITE_COLUMNS: &str = "
    SELECT m.name AS table_name, p.name AS name, p.\"notnull\" AS required,
        CASE p.type WHEN 'INTEGER' THEN 'BIGINT' WHEN 'BLOB' THEN 'BYTEA' ELSE p.type END AS kind
    FROM sqlite_master m JOIN pragma_table_info(m.name) p
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\'
    ORDER BY m.name, p.cid";

const POSTGRES_COLUMNS: &str = "
    SELECT table_name::text, column_name::text AS name, is_nullable = 'NO' AS required,
        upper(replace(data_type, ' without time zone', '')) AS kind
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'
    ORDER BY table_name COLLATE \"C\", ordinal_position";

fn columns(conn: &mut DbConnection) -> Result<Vec<Column>, Error> {
    let statement = match conn {
        DbConnection::Sqlite(_) => SQLITE_COLUMNS,
        DbConnection::Postgres(_) => POSTGRES_COLUMNS,
    };
    Ok(diesel::sql_query(statement).load(conn)?)
}

#[tokio::test]
async fn both_backends_have_the_same_tables_and_columns() {
    let sqlite = crate::support::database::TestDatabase::sqlite();
    let Some(postgres) = crate::support::database::TestDatabase::postgres() else {
        return;
    };
    let sqlite = sqlite.run(columns).await.expect("no error");
    let postgres = postgres.run(columns).await.expect("no error");
    assert!(sqlite.len() > 50, "{sqlite:?}");
    for (one, other) in sqlite.iter().zip(&postgres) {
        assert_eq!(one, other);
    }
    assert_eq!(sqlite.len(), postgres.len());
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut DbConnection, statement: &str) -> Vec<String> {
    let rows: Vec<Line> = diesel::sql_query(statement).load(conn).expect(statement);
    rows.into_iter().map(|row| row.line).collect()
}

const SQLITE_SQL: &str = "
    SELECT sql || ';' AS line FROM sqlite_master
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'
    ORDER BY rowid";

/// `oid` grows with each created table, so the text can be executed in this order.
const POSTGRES_TABLES: &str = "
    SELECT relname::text AS line FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE '\\_\\_%'
    ORDER BY oid";

fn postgres_sql(conn: &mut DbConnection) -> Vec<String> {
    let mut sql = Vec::new();
    for table in lines(conn, POSTGRES_TABLES) {
        let mut parts = lines(
            conn,
            &format!(
                "SELECT attname || ' ' || format_type(atttypid, atttypmod)
                    || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
                    || CASE attidentity WHEN 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' ELSE '' END
                    AS line
                FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0
                ORDER BY attnum"
            ),
        );
        // PostgreSQL 18 lists NOT NULL (`n`) here too.
        parts.extend(lines(
            conn,
            &format!(
                "SELECT 'CONSTRAINT ' || conname || ' ' || pg_get_constraintdef(oid) AS line
                FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype <> 'n'
                ORDER BY conname COLLATE \"C\""
            ),
        ));
        sql.push(format!(
            "CREATE TABLE {table} (\n    {}\n);",
            parts.join(",\n    ")
        ));
        sql.extend(lines(
            conn,
            &format!(
                "SELECT replace(indexdef, 'public.', '') || ';' AS line FROM pg_indexes
                WHERE tablename = '{table}'
                    AND indexname NOT IN (SELECT conname FROM pg_constraint)
                ORDER BY indexname COLLATE \"C\""
            ),
        ));
    }
    sql
}

on_both_databases! {
    async fn the_reviewed_schema_is_what_the_migrations_make(db) {
        let (name, sql) = db
            .run(|conn| {
                Ok(match conn {
                    DbConnection::Sqlite(_) => ("sqlite.sql", lines(conn, SQLITE_SQL)),
                    DbConnection::Postgres(_) => ("postgres.sql", postgres_sql(conn)),
                })
            })
            .await
            .expect("no error");
        let text = format!(
            "-- Generated from migrations/ by a test; REGISTRYSYNC_RECORD=1 writes it anew.\n\n{}\n",
            sql.join("\n\n")
        );
        compare(name, &text);
    }
}

#[tokio::test]
async fn the_diagram_shows_the_tables() {
    let db = crate::support::database::TestDatabase::sqlite();
    let (columns, keys) = db
        .run(|conn| {
            let keys = lines(
                conn,
                "SELECT '    ' || f.\"table\" || ' ||--o{ ' || m.name || ' : ' || f.\"from\" AS line
                FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
                WHERE m.type = 'table' ORDER BY m.name, f.\"from\"",
            );
            Ok((columns(conn)?, keys))
        })
        .await
        .expect("no error");
    let mut text = String::from(
        "# Tables\n\nGenerated from `migrations/` by a test; `REGISTRYSYNC_RECORD=1` writes it anew.\n\n\
         ```mermaid\nerDiagram\n",
    );
    for table in columns.chunk_by(|one, other| one.table_name == other.table_name) {
        writeln!(text, "    {} {{", table[0].table_name).expect("a string");
        for column in table {
            writeln!(text, "        {} {}", column.kind, column.name).expect("a string");
        }
        text.push_str("    }\n");
    }
    text.push_str(&keys.join("\n"));
    text.push_str("\n```\n");
    compare("diagram.md", &text);
}

fn compare(name: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schema")
        .join(name);
    if std::env::var_os("REGISTRYSYNC_RECORD").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the directory");
        std::fs::write(&path, text).expect("the schema");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, text,
        "schema/{name}: REGISTRYSYNC_RECORD=1 writes it anew"
    );
}

/// Makes frequent calls, with rows that execute all their statements.
fn hot_calls(conn: &mut DbConnection, mirror: &Project, pair: StorePair) -> Result<(), Error> {
    let (org, project_id) = (mirror.org_id, mirror.id);
    let run = RunBuilder::of(mirror).alone();
    run.enqueue(conn);
    run.queued(conn)?;
    let (run, part) = queue::claim(conn, "w")?.expect("a run");
    part_hot_calls(conn, &part)?;
    run_active(conn, org, project_id)?;
    run_list(conn, org, project_id, i64::MAX, 10)?;
    result_list(conn, org, run.id, None, 0, 10)?;
    result_list(conn, org, run.id, Some(ResultStatus::Failed), 0, 10)?;
    log_list(conn, org, run.id, 0, 10)?;
    synced_lookup(conn, pair, "nginx")?;
    synced_lost(conn, pair)?;
    login_hot_calls(conn)?;
    session_find(conn, 1)?;
    session_delete_expired(conn)?;
    account_by_login(conn, "x")?;
    account_list(conn, org, "", 10)?;
    role_list(conn, 1)?;
    org_list(conn, "", 10)?;
    let own = AuditFilter {
        org_id: Some(org),
        ..AuditFilter::default()
    };
    for filter in [own, AuditFilter::default()] {
        audit_list(conn, &filter, 10, 10)?;
    }
    image_store_by_label(conn, org, "x")?;
    image_store_list(conn, org, "", 10)?;
    image_store_places(conn, Some(&[1, 2]))?;
    image_store_places(conn, None)?;
    project_by_label(conn, org, "x")?;
    project_list(conn, org, 0, 10)?;
    project_last_runs(conn, org, ("a", "z"))?;
    item_by_id(conn, org, 1)?;
    item_list(conn, org, project_id, 0, 10)?;
    results_failed(conn, run.id)?;
    counts(conn, org)?;
    for scope in [Scope::Org(org), Scope::Project(project_id)] {
        run_counts(conn, scope)?;
        days(conn, scope, now())?;
    }
    run_cancel(conn, org, run.id, "x")?;
    notification_claim(conn, Channel::ALL, |_| Duration::ZERO)?;
    housekeeping_claim(conn, "w", queue::LEASE)?;
    schedule_hot_calls(conn, org, project_id)?;
    plan_hot_calls(conn, org, project_id)
}

fn plan_hot_calls(conn: &mut DbConnection, org: i64, project_id: i64) -> Result<(), Error> {
    plan_get(conn, org, 1)?;
    plan_list(conn, project_id, 10, 10)?;
    plan_ids(conn, project_id)?;
    plan_run(conn, 1)?;
    action_list(conn, 1, 0, 10)?;
    copy_list(conn, 1, "app", 0, 10)?;
    copy_count(conn, 1, "app")?;
    work_places(conn, 1)?;
    plans_remove(conn, 10)?;
    Ok(())
}

fn login_hot_calls(conn: &mut DbConnection) -> Result<(), Error> {
    let subjects = ["login x".to_owned(), "address 192.0.2.7".to_owned()];
    // The second time the oldest of them is removed.
    for capacity in [10, 0] {
        failure_add(conn, &subjects, chrono::TimeDelta::minutes(5), capacity)?;
    }
    failure_add(conn, &subjects, chrono::TimeDelta::minutes(5), 10)?;
    failures_of(conn, &subjects)?;
    failure_forget(conn, &subjects[0])?;
    index_lease_take(conn, "r.example/app:x", "w 1", queue::LEASE)?;
    index_lease_end(conn, "r.example/app:x", "w 1")
}

fn part_hot_calls(conn: &mut DbConnection, part: &Part) -> Result<(), Error> {
    let lease = part.lease();
    let new = NewWorker {
        id: "w".to_owned(),
        host: "h".to_owned(),
        directory: "/".to_owned(),
        slots: 2,
        lease_seconds: 60,
        host_parts: None,
        org_parts: None,
    };
    worker_register(conn, &new, queue::LEASE)?;
    worker_seen(conn, "w")?;
    worker_list(conn)?;
    worker_forget(conn, "w")?;
    claim_lock(conn)?;
    parts_running(conn)?;
    runs_open(conn, &Barred::default())?;
    let some = Barred {
        orgs: vec![4711],
        stores: vec![4711],
    };
    runs_open(conn, &some)?;
    run_waiting(conn, &Barred::default())?;
    run_waiting(conn, &some)?;
    leases_renew(conn, &[lease], queue::LEASE)?;
    parts_held(conn, "w")?;
    parts_of(conn, None)?;
    parts_worked_on(conn)?;
    parts_overdue(conn, queue::LEASE)?;
    result_put(conn, lease, &[])?;
    results_resume(conn, lease)?;
    log_append(conn, lease, &[])?;
    let totals = RunTotals {
        copied: 1,
        ..RunTotals::default()
    };
    part_progress(conn, lease, &totals)?;
    part_release(conn, lease, "stopped")?;
    let part = part_claim(conn, part.run_id, "w", queue::LEASE)?.expect("a part");
    part_offer(conn, &part, "gone", 3)?;
    let part = part_claim(conn, part.run_id, "w", queue::LEASE)?.expect("a part");
    part_end(conn, part.lease(), PartStatus::Finished, "", &totals)?;
    run_settle(conn, part.run_id)?;
    Ok(())
}

fn schedule_hot_calls(conn: &mut DbConnection, org: i64, project_id: i64) -> Result<(), Error> {
    let new = NewSchedule {
        org_id: Some(org),
        job_label: "x",
        bunch: SYNC_BUNCH,
        project_id: Some(project_id),
        cron_expr: "0 0 3 * * ?",
        data: "{}",
        active_from: now(),
        active_till: None,
        next_fire: Some(now()),
        due_time: Some(now()),
    };
    let id = schedule_put(conn, &new)?;
    schedule_by_label(conn, Some(org), "x")?;
    schedule_by_id(conn, Some(org), id)?;
    schedule_list(conn, Some(org), ScheduleFilter::default(), 0, 10)?;
    schedule_lines(conn, org, ("a", "z"))?;
    is_any_due(conn, now())?;
    next_due(conn)?;
    due_hold(conn, now(), 10)?;
    projects_hold(conn, &[project_id])?;
    projects_busy(conn, &[project_id])?;
    bunches_busy(conn)?;
    let fire = Fire {
        schedule_id: id,
        fire_time: now(),
        bunch: SYNC_BUNCH.to_owned(),
        task: SYNC_TASK.to_owned(),
        org_id: Some(org),
        project_id: Some(project_id),
        project_label: "mirror".to_owned(),
        skipped: None,
    };
    fires_insert(conn, now(), &[fire])?;
    let next = Next::At {
        fire: now(),
        due: now(),
    };
    next_set(conn, &[(id, next)])?;
    schedule_run_list(conn, id, 0, 10)?;
    bunch_run_list(conn, "session-cleanup-bunch", i64::MAX, 10)?;
    schedule_end(conn, Some(org), "x")?;
    Ok(())
}

fn plan(conn: &mut DbConnection, statement: &str) -> Vec<String> {
    if let DbConnection::Sqlite(_) = conn {
        let rows: Vec<SqliteStep> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(conn)
            .expect(statement);
        return rows.into_iter().map(|row| row.detail).collect();
    }
    // The plan for any value, not for one that the table happens to hold.
    let count = (1..100)
        .take_while(|number| statement.contains(&format!("${number}")))
        .count();
    let arguments = if count == 0 {
        String::new()
    } else {
        format!("({})", vec!["NULL"; count].join(","))
    };
    for setup in [
        "SET plan_cache_mode = force_generic_plan",
        "SET enable_seqscan = off",
        &format!("PREPARE hot AS {statement}"),
    ] {
        diesel::sql_query(setup).execute(conn).expect(setup);
    }
    let rows: Vec<PostgresStep> = diesel::sql_query(format!("EXPLAIN EXECUTE hot{arguments}"))
        .load(conn)
        .expect(statement);
    diesel::sql_query("DEALLOCATE hot")
        .execute(conn)
        .expect("no error");
    rows.into_iter().map(|row| row.step).collect()
}

#[derive(QueryableByName)]
struct SqliteStep {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresStep {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    step: String,
}

/// Queries that read an index from one end and stop soon: what is due or has ended, and pages of
/// lists of the whole server.
const FROM_ONE_END: [&str; 9] = [
    "rowid",
    "id",
    "expires",
    "due_time",
    "next_try",
    "name",
    "heartbeat",
    "end_time",
    "since",
];

/// Tables that are deliberately read completely: the workers; all stores, once a host has reached
/// its limit; and the index of the login guard's counters, whose number is limited.
const READ_WHOLE: [&str; 3] = ["worker", "image_store", "login_failure"];

/// Whether a statement reads all rows of such a table.
fn is_whole_on_purpose(statement: &str) -> bool {
    let text = statement.replace(['`', '"'], "");
    let from = |table: &&str| {
        text.contains(&format!("FROM {table} ")) || text.ends_with(&format!("FROM {table}"))
    };
    let is_one = READ_WHOLE.iter().any(from);
    text.starts_with("SELECT") && is_one && !text.contains(" WHERE ") && !text.contains(" JOIN ")
}

/// Whether a step reads an index range without an owner: all of it, if only the range is given.
fn is_range_of_everything(step: &str) -> bool {
    let condition = match step.split_once("Index Cond: ") {
        Some((_, condition)) => condition,
        None if step.starts_with("SEARCH ") => step.split_once('(').map_or("", |(_, part)| part),
        None => "",
    };
    let has_equal = condition.contains("=?") || condition.contains(" = ");
    let words = condition.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut columns = words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    !condition.is_empty() && !has_equal && !columns.all(|name| FROM_ONE_END.contains(&name))
}

#[test]
fn a_range_over_a_whole_index_is_seen() {
    for step in [
        "SEARCH tasko_run USING INDEX tasko_run_project (project_id>? AND project_id<?)",
        "  Index Cond: ((project_id >= $2) AND (project_id <= $3))",
    ] {
        assert!(is_range_of_everything(step), "{step}");
    }
    for step in [
        "SEARCH tasko_run USING INDEX tasko_run_org_end (org_id=? AND end_time>?)",
        "SEARCH session USING INDEX session_expires (expires<?)",
        "  Index Cond: ((org_id = $1) AND (end_time >= $2))",
        "USE TEMP B-TREE FOR GROUP BY",
    ] {
        assert!(!is_range_of_everything(step), "{step}");
    }
}

on_both_databases! {
    async fn the_hot_statements_use_an_index(db) {
        let key = db.key().clone();
        let plans = db
            .run(move |conn| {
                let (org, _) = account(conn, "acme");
                let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
                let pair = StorePair {
                    src: StoreBuilder::new("a").make(conn, &key, org),
                    dest: StoreBuilder::new("b").make(conn, &key, org),
                };
                let seen: Arc<Mutex<Vec<String>>> = Arc::default();
                let sink = seen.clone();
                conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                    if let InstrumentationEvent::StartQuery { query, .. } = event {
                        sink.lock().expect("no panic").push(query.to_string());
                    }
                });
                hot_calls(conn, &mirror, pair)?;
                let statements = std::mem::take(&mut *seen.lock().expect("no panic"));
                Ok(statements
                    .iter()
                    .map(|text| text.split(" -- binds").next().unwrap_or_default().to_owned())
                    .filter(|text| ["SELECT", "UPDATE", "DELETE"].iter().any(|word| text.starts_with(word)))
                    .map(|text| {
                        let plan = plan(conn, &text);
                        (text, plan)
                    })
                    .collect::<Vec<_>>())
            })
            .await
            .expect("no error");
        assert!(plans.len() > 30, "{plans:?}");
        for (statement, plan) in plans {
            for step in &plan {
                let whole_table = step.contains("Seq Scan") || step.starts_with("SCAN ");
                // A month has few days; what is grouped was found by an index.
                let sorted = step.contains("TEMP B-TREE") && !statement.contains("date(end_time)");
                let whole_index = is_range_of_everything(step);
                // SQLite's name for a statement around another one; it isn't a table.
                let is_table = step != "SCAN CONSTANT ROW";
                let whole_table = whole_table && is_table && !is_whole_on_purpose(&statement);
                assert!(!whole_table && !sorted && !whole_index, "{statement}\n{plan:#?}");
            }
        }
    }
}
