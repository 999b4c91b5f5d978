//! Transactional histories: version orders, dependencies, and the anomalies of Adya and Elle.
