//! The tables as Diesel sees them; the same on both backends. Source: `migrations/`.
//!
//! Every timestamp is UTC.

#![allow(missing_docs)] // the columns are described in `migrations/`

diesel::table! {
    org (id) {
        id -> BigInt,
        name -> Text,
        created -> Timestamp,
    }
}

diesel::table! {
    account (id) {
        id -> BigInt,
        org_id -> BigInt,
        login -> Text,
        login_uc -> Text,
        password_hash -> Text,
        prefix -> Text,
        first_name -> Text,
        last_name -> Text,
        email -> Text,
        enabled -> Bool,
        read_only -> Bool,
        created -> Timestamp,
        last_login -> Nullable<Timestamp>,
    }
}

diesel::table! {
    account_role (account_id, role) {
        account_id -> BigInt,
        role -> Text,
    }
}

diesel::table! {
    session (id) {
        id -> BigInt,
        secret_hash -> Binary,
        account_id -> BigInt,
        created -> Timestamp,
        expires -> Timestamp,
        duration_s -> BigInt,
        address -> Text,
    }
}

diesel::table! {
    login_failure (subject) {
        subject -> Text,
        failures -> BigInt,
        since -> Timestamp,
    }
}

diesel::table! {
    image_store (id) {
        id -> BigInt,
        org_id -> BigInt,
        label -> Text,
        store_type -> Text,
        uri -> Text,
        options -> Text,
        username -> Nullable<Text>,
        credential -> Nullable<Binary>,
        created -> Timestamp,
        modified -> Timestamp,
    }
}

diesel::table! {
    sync_project (id) {
        id -> BigInt,
        org_id -> BigInt,
        label -> Text,
        src_store_id -> BigInt,
        dest_store_id -> BigInt,
        enabled -> Bool,
        options -> Text,
        version -> BigInt,
        created -> Timestamp,
        modified -> Timestamp,
        modified_by -> Text,
    }
}

diesel::table! {
    sync_item (id) {
        id -> BigInt,
        project_id -> BigInt,
        repository -> Text,
        options -> Text,
    }
}

diesel::table! {
    tasko_run (id) {
        id -> BigInt,
        schedule_id -> Nullable<BigInt>,
        bunch -> Text,
        task -> Text,
        org_id -> Nullable<BigInt>,
        project_id -> Nullable<BigInt>,
        project_label -> Text,
        status -> Text,
        trigger_kind -> Text,
        retry_of -> Nullable<BigInt>,
        fire_time -> Timestamp,
        start_time -> Nullable<Timestamp>,
        end_time -> Nullable<Timestamp>,
        worker -> Nullable<Text>,
        lease_until -> Nullable<Timestamp>,
        attempt -> BigInt,
        cancel_requested -> Bool,
        message -> Text,
        selected -> BigInt,
        copied -> BigInt,
        updated -> BigInt,
        skipped -> BigInt,
        deleted -> BigInt,
        blocked -> BigInt,
        failed -> BigInt,
        bytes -> BigInt,
        blobs_copied -> BigInt,
        blobs_mounted -> BigInt,
        warnings -> BigInt,
        force -> Bool,
        plan_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    tasko_schedule (id) {
        id -> BigInt,
        org_id -> Nullable<BigInt>,
        job_label -> Text,
        bunch -> Text,
        project_id -> Nullable<BigInt>,
        cron_expr -> Text,
        data -> Text,
        active_from -> Timestamp,
        active_till -> Nullable<Timestamp>,
        next_fire -> Nullable<Timestamp>,
        due_time -> Nullable<Timestamp>,
        disabled_reason -> Nullable<Text>,
    }
}

diesel::table! {
    tasko_bunch (name) {
        name -> Text,
        description -> Text,
        org_bunch -> Bool,
    }
}

diesel::table! {
    tasko_task (name) {
        name -> Text,
        description -> Text,
    }
}

diesel::table! {
    tasko_template (id) {
        id -> BigInt,
        bunch -> Text,
        task -> Text,
        ordering -> BigInt,
        start_if -> Nullable<Text>,
    }
}

diesel::table! {
    run_part (id) {
        id -> BigInt,
        run_id -> BigInt,
        number -> BigInt,
        target_repository -> Text,
        status -> Text,
        worker -> Nullable<Text>,
        lease_until -> Nullable<Timestamp>,
        fence -> BigInt,
        attempt -> BigInt,
        message -> Text,
        selected -> BigInt,
        copied -> BigInt,
        updated -> BigInt,
        skipped -> BigInt,
        deleted -> BigInt,
        blocked -> BigInt,
        failed -> BigInt,
        bytes -> BigInt,
        blobs_copied -> BigInt,
        blobs_mounted -> BigInt,
        warnings -> BigInt,
    }
}

diesel::table! {
    worker (id) {
        id -> Text,
        host -> Text,
        directory -> Text,
        started -> Timestamp,
        heartbeat -> Timestamp,
        slots -> BigInt,
        lease_seconds -> BigInt,
        host_parts -> Nullable<BigInt>,
        org_parts -> Nullable<BigInt>,
    }
}

diesel::table! {
    run_result (id) {
        id -> BigInt,
        run_id -> BigInt,
        part_id -> BigInt,
        repository -> Text,
        tag -> Text,
        target -> Text,
        action -> Text,
        status -> Text,
        source_digest -> Nullable<Text>,
        target_digest -> Nullable<Text>,
        previous_digest -> Nullable<Text>,
        bytes -> BigInt,
        duration_ms -> BigInt,
        error -> Nullable<Text>,
        source -> Text,
        platforms -> Text,
        reason -> Text,
        blobs_copied -> BigInt,
        blobs_mounted -> BigInt,
    }
}

diesel::table! {
    run_asked (run_id) {
        run_id -> BigInt,
        asked -> Text,
    }
}

diesel::table! {
    run_catalogue (run_id) {
        run_id -> BigInt,
        listed -> BigInt,
        error -> Nullable<Text>,
        warning -> Nullable<Text>,
    }
}

diesel::table! {
    run_repository (run_id, item_id, repository) {
        run_id -> BigInt,
        item_id -> BigInt,
        repository -> Text,
    }
}

diesel::table! {
    run_log (run_id, seq) {
        run_id -> BigInt,
        seq -> BigInt,
        time -> Timestamp,
        level -> Text,
        message -> Text,
    }
}

diesel::table! {
    synced_tag (src_store_id, dest_store_id, repository, tag, target_repository, target_tag) {
        src_store_id -> BigInt,
        dest_store_id -> BigInt,
        repository -> Text,
        tag -> Text,
        target_repository -> Text,
        target_tag -> Text,
        source_digest -> Text,
        target_digest -> Text,
        platforms -> Text,
        verified_at -> Timestamp,
        lack -> Text,
        lost_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    index_lease (place) {
        place -> Text,
        holder -> Text,
        lease_until -> Timestamp,
    }
}

diesel::table! {
    kept_plan (id) {
        id -> BigInt,
        org_id -> BigInt,
        project_id -> BigInt,
        project_version -> BigInt,
        source_address -> Text,
        target_address -> Text,
        items_digest -> Text,
        created -> Timestamp,
        expires -> Timestamp,
        created_by -> Text,
        complete -> Bool,
        actions -> BigInt,
        run_actions -> BigInt,
        totals -> Text,
        warnings -> Text,
    }
}

diesel::table! {
    kept_action (plan_id, number) {
        plan_id -> BigInt,
        number -> BigInt,
        repository -> Text,
        tag -> Text,
        source -> Text,
        target -> Text,
        target_repository -> Text,
        target_tag -> Text,
        action -> Text,
        reason -> Text,
        platforms -> Text,
        source_digest -> Nullable<Text>,
        digest -> Nullable<Text>,
        previous_digest -> Nullable<Text>,
        size -> Nullable<BigInt>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    write_intent (project_id, place, tag) {
        project_id -> BigInt,
        place -> Text,
        tag -> Text,
        expected -> Text,
        kept_at -> Timestamp,
    }
}

diesel::table! {
    written_tag (project_id, place, tag) {
        project_id -> BigInt,
        place -> Text,
        tag -> Text,
        source_repository -> Text,
        source_tag -> Text,
        digest -> Text,
        written_at -> Timestamp,
    }
}

diesel::table! {
    audit_event (id) {
        id -> BigInt,
        org_id -> Nullable<BigInt>,
        time -> Timestamp,
        login -> Text,
        address -> Text,
        method -> Text,
        object -> Text,
        outcome -> Text,
    }
}

diesel::table! {
    notification (id) {
        id -> BigInt,
        run_id -> BigInt,
        channel -> Text,
        created -> Timestamp,
        attempt -> BigInt,
        next_try -> Timestamp,
        event -> Text,
    }
}

diesel::joinable!(account -> org (org_id));
diesel::joinable!(account_role -> account (account_id));
diesel::joinable!(session -> account (account_id));
diesel::joinable!(sync_item -> sync_project (project_id));
diesel::joinable!(write_intent -> sync_project (project_id));
diesel::joinable!(written_tag -> sync_project (project_id));
diesel::joinable!(tasko_run -> sync_project (project_id));
diesel::joinable!(run_part -> tasko_run (run_id));
diesel::joinable!(run_result -> tasko_run (run_id));
diesel::joinable!(run_result -> run_part (part_id));
diesel::joinable!(run_log -> tasko_run (run_id));
diesel::joinable!(run_asked -> tasko_run (run_id));
diesel::joinable!(run_catalogue -> tasko_run (run_id));
diesel::joinable!(notification -> tasko_run (run_id));
diesel::joinable!(tasko_run -> org (org_id));
diesel::allow_tables_to_appear_in_same_query!(
    org,
    account,
    account_role,
    session,
    image_store,
    sync_project,
    sync_item,
    tasko_run,
    tasko_schedule,
    tasko_bunch,
    tasko_task,
    tasko_template,
    run_part,
    run_result,
    run_log,
    run_asked,
    run_catalogue,
    synced_tag,
    kept_plan,
    kept_action,
    write_intent,
    written_tag,
    audit_event,
    notification
);
