-- A delivery's id is made of its endpoint and its event, so that the primary key says already that there is one of each.

ALTER TABLE delivery DROP CONSTRAINT delivery_endpoint_id_event_id_key;
