"""From fetched records to confirmed replies: nothing lost, nothing paid twice."""
