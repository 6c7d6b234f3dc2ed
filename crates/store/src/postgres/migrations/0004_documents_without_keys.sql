-- A document is an array of its lines from here on, without their keys, which were a quarter of it, and
-- its updated_at is null for as long as it is what created_at is. A line break stands between lines and
-- nowhere else, so what follows one is the key of a line and never a part of a value.
UPDATE profiles SET document = replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
    document,
    chr(10) || '"created_at":', chr(10)),
    chr(10) || '"updated_at":', chr(10)),
    chr(10) || '"relationship":', chr(10)),
    chr(10) || '"name":', chr(10)),
    chr(10) || '"metadata":', chr(10)),
    chr(10) || '"external_user_details":', chr(10)),
    ',' || chr(10) || '"onboarded_at":', '},' || chr(10)),
    chr(10) || '"reference_id":', chr(10)),
    '},' || chr(10) || '"cyber":', ',' || chr(10)),
    chr(10) || '"efs":', chr(10)),
    chr(10) || '"own_programs":', chr(10)),
    chr(10) || '"open_actions":', chr(10)),
    chr(10) || '"past_actions":', chr(10))
  WHERE document LIKE '{%';
UPDATE profiles SET document = '[' || substr(document, 7, length(document) - 7) || ']'
  WHERE document LIKE '{%';
UPDATE profiles SET document = split_part(document, chr(10), 1) || chr(10)
    || split_part(document, chr(10), 2) || chr(10) || 'null,'
    || substr(document, length(split_part(document, chr(10), 1))
      + 2 * length(split_part(document, chr(10), 2)) + 3)
  WHERE split_part(document, chr(10), 2) = split_part(document, chr(10), 3);
