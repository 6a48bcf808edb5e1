package gmailtest

import "slices"

func (c *call) messagesDelete() (any, *apiError) {
	m, err := c.message(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	c.discard(m)
	return noContent{}, nil
}

// modifyIn is the schema ModifyMessageRequest, with the ids of
// BatchModifyMessagesRequest.
type modifyIn struct {
	IDs            []string `json:"ids"`
	AddLabelIDs    []string `json:"addLabelIds"`
	RemoveLabelIDs []string `json:"removeLabelIds"`

	AddClassificationLabels      []any    `json:"addClassificationLabels"`
	RemoveClassificationLabelIDs []string `json:"removeClassificationLabelIds"`
}

// maxLabels and maxBatchModify are limits of the discovery document.
const (
	maxLabels      = 100
	maxBatchModify = 1000
)

func (c *call) modification() (in modifyIn, err *apiError) {
	if err := c.decode(&in); err != nil {
		return in, err
	}
	if len(in.AddLabelIDs) > maxLabels || len(in.RemoveLabelIDs) > maxLabels {
		return in, badArgument("Too many labels: limit %d", maxLabels)
	}
	for _, id := range slices.Concat(in.AddLabelIDs, in.RemoveLabelIDs) {
		if !c.b.knows(id) || id == labelSent || id == labelDraft {
			return in, badArgument("Invalid label: %s", id)
		}
	}
	return in, nil
}

// relabel changes the labels of a message and notes what really changed.
func (c *call) relabel(m *message, add, remove []string) {
	var added, removed []string
	for _, id := range add {
		if !m.has(id) {
			m.labels = append(m.labels, id)
			added = append(added, id)
		}
	}
	for _, id := range remove {
		if m.has(id) {
			m.labels = slices.DeleteFunc(m.labels, func(x string) bool { return x == id })
			removed = append(removed, id)
		}
	}
	if len(added) > 0 {
		c.s.note(c.b, kindLabelAdded, m, added...)
	}
	if len(removed) > 0 {
		c.s.note(c.b, kindLabelRemoved, m, removed...)
	}
}

func (c *call) messagesModify() (any, *apiError) {
	m, err := c.message(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	in, err := c.modification()
	if err != nil {
		return nil, err
	}
	if in.IDs != nil {
		return nil, badRequest("Invalid JSON payload received. Unknown name \"ids\": Cannot find field.")
	}
	c.relabel(m, in.AddLabelIDs, in.RemoveLabelIDs)
	return c.s.ref(m), nil
}

// messagesBatchModify changes what is there; ids that are not are passed over
// without a word.
func (c *call) messagesBatchModify() (any, *apiError) {
	in, err := c.modification()
	if err != nil {
		return nil, err
	}
	if len(in.IDs) == 0 || len(in.IDs) > maxBatchModify {
		return nil, badArgument("Invalid number of ids: %d, limit %d", len(in.IDs), maxBatchModify)
	}
	for _, id := range in.IDs {
		if m := c.b.messages[id]; m != nil {
			c.relabel(m, in.AddLabelIDs, in.RemoveLabelIDs)
		}
	}
	return noContent{}, nil
}

func (c *call) messagesTrash() (any, *apiError) {
	m, err := c.message(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	c.relabel(m, []string{labelTrash}, []string{labelInbox})
	return c.s.ref(m), nil
}

func (c *call) messagesUntrash() (any, *apiError) {
	m, err := c.message(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	c.relabel(m, nil, []string{labelTrash})
	return c.s.ref(m), nil
}
