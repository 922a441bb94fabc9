"""Videos, assets, the catalog and webhook endpoints: one file a resource."""
