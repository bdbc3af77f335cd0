//! The id of the database.

use alpine_domain::ports::database_id::DatabaseIdentity as _;

use crate::support::{DatabaseBed, on_both};

on_both!(each_database_has_an_id_of_its_own_that_stays,);

async fn each_database_has_an_id_of_its_own_that_stays(bed: DatabaseBed) {
    let id = bed.database.database_id().await.unwrap();
    assert_eq!(bed.database.database_id().await.unwrap(), id);
    let others = [Some(DatabaseBed::sqlite()), DatabaseBed::postgres()];
    for other in others.into_iter().flatten() {
        assert_ne!(other.database.database_id().await.unwrap(), id);
    }
}
