package dynamodb

// Options are the settings of a store. The zero value is right for most. They
// are for tables that [Store.CreateTable] makes; one that exists is left alone.
type Options struct {
	// Tags are the table's tags. Default none.
	Tags map[string]string

	// DeletionProtection has the service refuse to delete the table. Default
	// false.
	DeletionProtection bool
}
