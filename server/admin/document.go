package admin

import (
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// about is what the OpenAPI document says of an operation beyond its types.
type about struct {
	summary  string
	body     *huma.Schema // nil = none
	optional bool         // the body may be left out
	answer   *huma.Schema // nil = as the output type says
	created  bool         // it may answer 201 as well
	reads    bool         // a POST that writes nothing
	list     *huma.Schema // the answer is a page of these
}

// problemName is the component that every refusal is.
const problemName = "Problem"

// operation is what huma has to know before it looks at the types.
func (r *router) operation(method, path string, d about) huma.Operation {
	op := huma.Operation{
		OperationID: operationID(method, path),
		Method:      method, Path: path, Summary: d.summary,
		Tags: []string{strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("/{}:", r) })[0]},
		// Bodies are read by decode.go: huma would take members that differ by
		// case, and answers with the values it refuses.
		SkipValidateBody: true,
		Responses:        map[string]*huma.Response{"default": {Ref: "#/components/responses/" + problemName}},
	}
	if d.body != nil {
		op.RequestBody = &huma.RequestBody{}
	}
	return op
}

// operationID is "put-agents-name" for PUT /agents/{name}.
func operationID(method, path string) string {
	words := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune("/{}:", r) })
	return strings.ToLower(method) + "-" + strings.Join(words, "-")
}

// describe puts into the document what huma cannot see in the types.
func (r *router) describe(op huma.Operation, d about) {
	if d.body != nil {
		op.RequestBody.Required = !d.optional
		op.RequestBody.Content = map[string]*huma.MediaType{"application/json": {Schema: d.body}}
	}
	answer := d.answer
	if d.list != nil {
		answer = &huma.Schema{Type: huma.TypeObject, Required: []string{"items"}, Properties: map[string]*huma.Schema{
			"items":       {Type: huma.TypeArray, Items: d.list},
			"next_cursor": {Type: huma.TypeString, Description: "Give it as cursor to read on; absent on the last page."},
		}}
	}
	if ok := op.Responses["200"]; ok != nil {
		if answer != nil {
			ok.Content["application/json"].Schema = answer
		}
		if d.created {
			headers := maps.Clone(ok.Headers)
			headers["Location"] = &huma.Header{Schema: &huma.Schema{Type: huma.TypeString, Description: "Path of what was made."}}
			op.Responses["201"] = &huma.Response{Description: "Created", Headers: headers, Content: ok.Content}
		}
	}
	for _, status := range refusals(op, d) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + problemName}
	}
}

// refusals are the statuses that an operation may well refuse with.
func refusals(op huma.Operation, d about) []int {
	statuses := []int{http.StatusUnauthorized, http.StatusUnprocessableEntity}
	if strings.Contains(op.Path, "{") {
		statuses = append(statuses, http.StatusNotFound)
	}
	if d.body != nil {
		statuses = append(statuses, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if op.Method != http.MethodGet && !d.reads {
		statuses = append(statuses, http.StatusConflict)
	}
	if op.Method == http.MethodPut || op.Method == http.MethodDelete {
		statuses = append(statuses, http.StatusPreconditionFailed)
	}
	return statuses
}

func (r *router) schema(v any) *huma.Schema {
	return r.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, "")
}

// manifest is api.Object with the spec of one kind, for the document alone.
type manifest[S any] struct {
	APIVersion string        `json:"apiVersion,omitempty" enum:"tokenry/v1"`
	Kind       registry.Kind `json:"kind"` // the server does without it where the path says it; clients need not
	Metadata   api.Metadata  `json:"metadata"`
	Spec       S             `json:"spec"`
	Status     *api.Status   `json:"status,omitempty" readOnly:"true" doc:"Set by the server; refused in requests."`
}

func (r *router) manifest(kind registry.Kind) *huma.Schema {
	switch kind {
	case registry.KindTrustedIssuer:
		return r.schema(manifest[registry.TrustedIssuer]{})
	case registry.KindResource:
		return r.schema(manifest[registry.Resource]{})
	case registry.KindBlueprint:
		return r.schema(manifest[registry.Blueprint]{})
	case registry.KindAgent:
		return r.schema(manifest[registry.Agent]{})
	case registry.KindDelegationRule:
		return r.schema(manifest[registry.DelegationRule]{})
	}
	return r.schema(api.Object{})
}
