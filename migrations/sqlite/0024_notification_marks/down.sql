DROP TABLE notification_marks;
