DROP TRIGGER signals_update;
ALTER TABLE signals DROP COLUMN origin;
CREATE TRIGGER signals_update BEFORE UPDATE ON signals
WHEN NOT (
    OLD.is_active AND NOT NEW.is_active
    AND NEW.id IS OLD.id
    AND NEW.producer_id IS OLD.producer_id
    AND NEW.external_id IS OLD.external_id
    AND NEW.symbol IS OLD.symbol
    AND NEW.action IS OLD.action
    AND NEW.entry_price IS OLD.entry_price
    AND NEW.target_price IS OLD.target_price
    AND NEW.stop_price IS OLD.stop_price
    AND NEW.confidence IS OLD.confidence
    AND NEW.confidence_text IS OLD.confidence_text
    AND NEW.strategy IS OLD.strategy
    AND NEW.asset_type IS OLD.asset_type
    AND NEW.data_source IS OLD.data_source
    AND NEW.reasoning IS OLD.reasoning
    AND NEW.regime IS OLD.regime
    AND NEW.consensus_agreement IS OLD.consensus_agreement
    AND NEW.sources_count IS OLD.sources_count
    AND NEW.signal_timestamp IS OLD.signal_timestamp
    AND NEW.signalled_at IS OLD.signalled_at
    AND NEW.hash IS OLD.hash
    AND NEW.content_hash IS OLD.content_hash
    AND NEW.is_simulated IS OLD.is_simulated
    AND NEW.created_at IS OLD.created_at
)
BEGIN
    SELECT RAISE(ABORT, 'signals is immutable: only is_active may change, from true to false');
END;
