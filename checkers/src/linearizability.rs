//! Linearizability: does every operation take effect at one point between its invocation and its completion?
