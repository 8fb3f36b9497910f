"""Long texts whose parts are summarized at once: how long they take, and what short requests next to them notice."""
