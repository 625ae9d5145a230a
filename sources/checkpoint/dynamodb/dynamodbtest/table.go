package dynamodbtest

import (
	"maps"
	"time"
)

// table is a table with a hash key.
type table struct {
	name    string
	key     string // the name of the key attribute
	keyType string
	billing string
	tags    map[string]string
	protect bool
	created time.Time
	active  time.Time // from when on
	items   map[string]item
}

type keySchema struct {
	AttributeName string `json:"AttributeName"`
	KeyType       string `json:"KeyType"`
}

type attributeDefinition struct {
	AttributeName string `json:"AttributeName"`
	AttributeType string `json:"AttributeType"`
}

type createTable struct {
	onTable

	KeySchema                 []keySchema           `json:"KeySchema"`
	AttributeDefinitions      []attributeDefinition `json:"AttributeDefinitions"`
	BillingMode               string                `json:"BillingMode"`
	DeletionProtectionEnabled bool                  `json:"DeletionProtectionEnabled"`
	Tags                      []struct {
		Key   string `json:"Key"`
		Value string `json:"Value"`
	} `json:"Tags"`
}

func (r *createTable) run(s *Server) (any, error) {
	if s.tables[r.TableName] != nil {
		return nil, modelError("ResourceInUseException", "Table already exists: "+r.TableName)
	}
	if len(r.KeySchema) != 1 || len(r.AttributeDefinitions) != 1 || r.BillingMode != "PAY_PER_REQUEST" {
		return nil, validation("The fake makes tables of one hash key, with on-demand billing")
	}
	key, definition := r.KeySchema[0], r.AttributeDefinitions[0]
	if key.KeyType != "HASH" || definition.AttributeName != key.AttributeName {
		return nil, validation("Some index key attributes are not defined in AttributeDefinitions")
	}
	now := time.Now()
	t := &table{
		name: r.TableName, key: key.AttributeName, keyType: definition.AttributeType,
		billing: r.BillingMode, tags: make(map[string]string), protect: r.DeletionProtectionEnabled,
		created: now, active: now.Add(s.creation),
		items: make(map[string]item),
	}
	for _, tag := range r.Tags {
		t.tags[tag.Key] = tag.Value
	}
	s.tables[t.name] = t
	return map[string]any{"TableDescription": t.describe(now)}, nil
}

type describeTable struct{ onTable }

func (r *describeTable) run(s *Server) (any, error) {
	t := s.tables[r.TableName]
	if t == nil {
		return nil, notFound(r.TableName)
	}
	return map[string]any{"Table": t.describe(time.Now())}, nil
}

func (t *table) describe(now time.Time) map[string]any {
	status := "ACTIVE"
	if now.Before(t.active) {
		status = "CREATING"
	}
	return map[string]any{
		"TableName":            t.name,
		"TableStatus":          status,
		"TableArn":             "arn:aws:dynamodb:" + region + ":" + account + ":table/" + t.name,
		"CreationDateTime":     t.created.Unix(),
		"ItemCount":            len(t.items),
		"KeySchema":            []keySchema{{t.key, "HASH"}},
		"AttributeDefinitions": []attributeDefinition{{t.key, t.keyType}},
		"BillingModeSummary":   map[string]string{"BillingMode": t.billing},

		"DeletionProtectionEnabled": t.protect,
	}
}

// open returns a table that takes items.
func (s *Server) open(name string) (*table, error) {
	t := s.tables[name]
	if t == nil || time.Now().Before(t.active) {
		return nil, notFound(name)
	}
	return t, nil
}

// Settings returns the tags of a table, nil if there is none, and whether it is
// protected from being deleted.
func (s *Server) Settings(name string) (tags map[string]string, protected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[name]
	if t == nil {
		return nil, false
	}
	return maps.Clone(t.tags), t.protect
}
